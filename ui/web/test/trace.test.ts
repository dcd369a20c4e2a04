// The model of a trace, its rows, and what moves through them.
import { describe, expect, it } from "vitest";
import { CRITICAL, ERROR, remarks, shares, toTrace, type RawSpan, type RawTrace } from "../src/pages/trace/model";
import { criticalAndErrors, findSpans, foldBelow, foldServices, nextWhere, reveal, rowOf, visibleRows } from "../src/pages/trace/rows";
import { axis, zoomOf } from "../src/pages/trace/zoom";

/** `depth service start duration flags`: e error, c critical, m missing parent. */
function trace(lines: string[], more: Partial<RawTrace> = {}) {
  const parsed = lines.map((line) => line.split(" "));
  const spans = parsed.map(([depth, service, start, duration, flags = ""], i): RawSpan => {
    const end = parsed.findIndex((other, j) => j > i && Number(other[0]) <= Number(depth));
    return {
      span_id: `s${i}`, depth: Number(depth), descendants: (end < 0 ? parsed.length : end) - i - 1, service, name: `op-${service}`, kind: "server",
      status: flags.includes("e") ? "error" : "unset", start: "", start_unix_nano: "0", duration_ns: Number(duration), offset_ns: Number(start),
      critical: flags.includes("c"), problems: [], resource: 0, scope: 0, attributes: { "http.route": `/at/${i}` }, events: [], links: [],
      top: flags.includes("m") ? "missing_parent" : depth === "0" ? "root" : undefined,
    };
  });
  return toTrace({
    trace_id: "00ab", start: "", start_unix_nano: "1795305575641861790", duration_ns: 100, root: { service: "a", name: "op-a" }, span_count: spans.length,
    error_count: 0, services: [], resources: [{ attributes: { "service.version": "2" } }], scopes: [], spans, ...more,
  });
}

const SHOP = ["0 a 0 100 c", "1 b 10 40 c", "2 b 15 10", "2 c 20 20 ec", "1 a 60 30", "2 a 65 10", "1 d 95 20 e"];

describe("the model", () => {
  it("finds parents, self times and errors below", () => {
    const t = trace(SHOP);
    expect([...t.parent]).toEqual([-1, 0, 1, 1, 0, 4, 0]);
    // The children of the root cover 10–50, 60–90 and 95–100: what hangs over its end does not count.
    expect([...t.self]).toEqual([25, 15, 10, 20, 20, 10, 20]);
    expect([...t.errorsBelow]).toEqual([2, 1, 0, 0, 0, 0, 0]);
    expect(t.startMs).toBeCloseTo(1795305575641.861, 2);
  });

  it("counts children that overlap once", () => {
    expect([...trace(["0 a 0 100", "1 b 0 60", "1 c 30 60"]).self]).toEqual([10, 60, 60]);
  });

  it("keeps the segments of the critical path by span", () => {
    const t = trace(SHOP, { critical_path: [{ span: 3, start_ns: 20, end_ns: 40 }, { span: 0, start_ns: 50, end_ns: 100 }, { span: 0, start_ns: 0, end_ns: 10 }, { span: 99, start_ns: 0, end_ns: 1 }] });
    expect([...t.pathFrom]).toEqual([0, 2, 2, 2, 3, 3, 3, 3]);
    expect([...t.path]).toEqual([0, 10, 50, 100, 20, 40]);
    expect(t.flags[3] & CRITICAL).toBeTruthy();
    expect(shares(t).map((s) => [s.service, s.pathNs])).toEqual([["a", 60], ["c", 20], ["b", 0], ["d", 0]]);
  });

  it("says what is odd in words", () => {
    expect(remarks(trace(SHOP))).toEqual([]);
    const said = remarks(trace(["0 a 0 10 m", "0 b 1 2 m"], { root: undefined, first: { service: "a", name: "x" } }));
    expect(said[0]).toMatch(/root span is not stored/);
    expect(said[1]).toMatch(/^2 spans have a parent that is not stored/);
  });

  it("holds a trace without spans and one that is only deep", () => {
    expect(visibleRows(trace([]), new Uint8Array(0), null).span.length).toBe(0);
    const deep = trace(Array.from({ length: 3000 }, (_, i) => `${i} a 0 1`));
    expect(deep.parent[2999]).toBe(2998);
    expect(visibleRows(deep, foldBelow(deep, 5), null).span.length).toBe(6);
  });
});

describe("rows", () => {
  it("skips what is folded and counts it", () => {
    const t = trace(SHOP);
    const folded = new Uint8Array(t.count);
    folded[1] = 1;
    const rows = visibleRows(t, folded, null);
    expect([...rows.span]).toEqual([0, 1, 4, 5, 6]);
    expect([...rows.hidden]).toEqual([0, 2, 0, 0, 0]);
    expect(rowOf(rows, 5)).toBe(3);
    // A span that is folded away is found at what stands for it.
    expect(rowOf(rows, 3)).toBe(1);
    expect(reveal(t, folded, 3)).toBe(true);
    expect(reveal(t, folded, 3)).toBe(false);
  });

  it("keeps the critical path and errors with their ancestors, the rest in one row per gap", () => {
    const t = trace(["0 a 0 100 c", "1 b 0 10", "2 b 1 2", "1 c 10 10", "1 d 20 10 e", "2 d 20 5", "1 e 40 5"]);
    const rows = visibleRows(t, new Uint8Array(t.count), criticalAndErrors(t));
    expect([...rows.span]).toEqual([0, ~1, 4, ~5, ~6]);
    expect([...rows.hidden]).toEqual([0, 3, 0, 1, 1]);
  });

  it("folds what stays inside one service", () => {
    const t = trace(SHOP);
    expect([...visibleRows(t, foldServices(t), null).span]).toEqual([0, 1, 2, 3, 4, 6]);
  });

  it("goes round to the next error, either way", () => {
    const t = trace(SHOP);
    const isError = (i: number) => (t.flags[i] & ERROR) !== 0;
    expect(nextWhere(t.count, -1, 1, isError)).toBe(3);
    expect(nextWhere(t.count, 3, 1, isError)).toBe(6);
    expect(nextWhere(t.count, 6, 1, isError)).toBe(3);
    expect(nextWhere(t.count, 3, -1, isError)).toBe(6);
    expect(nextWhere(t.count, 3, -1, () => false)).toBe(-1);
  });

  it("finds text in names, attributes and resources", () => {
    const t = trace(SHOP);
    expect([...findSpans(t, " OP-B ")]).toEqual([0, 1, 1, 0, 0, 0, 0]);
    expect([...findSpans(t, "/at/3")]).toEqual([0, 0, 0, 1, 0, 0, 0]);
    expect(findSpans(t, "service.version").every((one) => one === 1)).toBe(true);
    expect(findSpans(t, "").some((one) => one === 1)).toBe(false);
  });

  it("lists the rows of 100,000 spans in a few milliseconds", () => {
    const t = trace(SHOP);
    const count = 100_000;
    const big = { ...t, count, below: new Uint32Array(count), parent: new Int32Array(count).fill(-1) };
    const start = performance.now();
    expect(visibleRows(big, new Uint8Array(count), null).span.length).toBe(count);
    expect(performance.now() - start).toBeLessThan(100);
  });
});

describe("the zoom", () => {
  it.each([
    ["", { from: 0, to: 5e6 }],
    ["1000-2000", { from: 1e6, to: 2e6 }],
    ["1000-9000", { from: 1e6, to: 5e6 }],
    ["9000-9001", { from: 0, to: 5e6 }],
    ["2000-1000", { from: 0, to: 5e6 }],
    ["x", { from: 0, to: 5e6 }],
  ])("reads %s", (text, zoom) => expect(zoomOf(text, 5e6)).toEqual(zoom));

  it("has round ticks", () => {
    expect(axis({ from: 0, to: 1.26e9 }, 6).map((t) => t.label)).toEqual(["0", "500 ms", "1 s"]);
    expect(axis({ from: 3e6, to: 8e6 }, 6).map((t) => t.label)).toEqual(["3 ms", "4 ms", "5 ms", "6 ms", "7 ms", "8 ms"]);
  });
});
