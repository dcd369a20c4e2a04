// The model of a trace, its rows, and what moves through them.
import { describe, expect, it } from "vitest";
import { parseFrame } from "../src/lib/frame";
import { ERROR, idOf, oddities, remarks, shares, spanOf } from "../src/pages/trace/model";
import { criticalAndErrors, findSpans, foldBelow, foldServices, nextWhere, reveal, rowOf, visibleRows } from "../src/pages/trace/rows";
import { axis, zoomOf } from "../src/pages/trace/zoom";
import { encodeFrame } from "./frames";
import { traceOf as trace } from "./traces";

const SHOP = ["0 a 0 100 c", "1 b 10 40 c", "2 b 15 10", "2 c 20 20 ec", "1 a 60 30", "2 a 65 10", "1 d 95 20 e"];

describe("frames", () => {
  const parts = { columns: [{ name: "a", values: [1, NaN, 3] }, { name: "b", values: [] }], dictionaries: { x: ["y"] }, data: { n: 1 } };

  it("come back as they were written", () => {
    const frame = parseFrame<{ n: number }>(encodeFrame(parts));
    expect([...frame.columns[0].values]).toEqual([1, NaN, 3]);
    expect(frame.columns[1].values.length).toBe(0);
    expect([frame.data.n, frame.dictionaries.x]).toEqual([1, ["y"]]);
  });

  it.each([0, 3, 4, 40, 7])("cut off at %i bytes are refused", (length) => {
    expect(() => parseFrame(encodeFrame(parts).slice(0, length))).toThrow();
  });

  it("cut off in the last column or of another version are refused", () => {
    const whole = encodeFrame(parts);
    expect(() => parseFrame(whole.slice(0, whole.byteLength - 8))).toThrow(/column a is cut off/);
    expect(() => parseFrame(encodeFrame(parts, 2))).toThrow(/version is 2/);
  });
});

describe("the model", () => {
  it("counts what is below", () => {
    const t = trace(SHOP);
    expect([...t.parent]).toEqual([-1, 0, 1, 1, 0, 4, 0]);
    expect([...t.below]).toEqual([6, 2, 0, 0, 1, 0, 0]);
    expect([...t.errorsBelow]).toEqual([2, 1, 0, 0, 0, 0, 0]);
    expect(t.startMs).toBeCloseTo(1795305575641.861, 2);
  });

  it("keeps the segments of the critical path and events by span", () => {
    const t = trace(SHOP, { path: [[3, 20, 40], [0, 50, 100], [0, 0, 10], [99, 0, 1]], events: [[4, 70, 1], [3, 39, 0], [3, 25, 1]] });
    expect([...t.pathFrom]).toEqual([0, 2, 2, 2, 3, 3, 3, 3]);
    expect([...t.path]).toEqual([50, 100, 0, 10, 20, 40]);
    expect([...t.eventFrom]).toEqual([0, 0, 0, 0, 2, 3, 3, 3]);
    expect([...t.eventTime]).toEqual([39, 25, 70]);
    expect(t.eventNames[t.eventName[0]]).toBe("exception");
    expect(shares(t).map((s) => [s.service, s.pathNs])).toEqual([["a", 60], ["c", 20], ["b", 0], ["d", 0]]);
  });

  it("finds spans by id", () => {
    const t = trace(SHOP);
    expect(idOf(t, 5)).toBe("abcdef0100000005");
    expect(spanOf(t, "ABCDEF0100000005")).toBe(5);
    expect(spanOf(t, "abcdef01000000ff")).toBe(-1);
    expect(spanOf(t, "x")).toBe(-1);
  });

  it("says what is odd in words", () => {
    expect(remarks(trace(SHOP))).toEqual([]);
    const t = trace(["0 a 0 10 m", "0 b 1 2 ms"], { root: undefined, first: { service: "a", name: "x" }, span_count: 5 });
    expect(remarks(t).map((text) => text.slice(0, 30))).toEqual(["The root span is not stored: t", "3 spans are left out: the page", "2 spans have a parent that is ", "One span is shown at a correct"]);
    expect(oddities(t, 1)).toEqual(["its parent is not stored", "its clock differs from its parent's"]);
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
    const resource = { attributes: { "service.version": "2" } };
    const details = SHOP.map((_, i) => ({ attributes: { "http.route": `/at/${i}` }, events: [], resource, status_message: i === 6 ? "Card declined" : undefined }));
    expect([...findSpans(t, " OP-B ", null)]).toEqual([0, 1, 1, 0, 0, 0, 0]);
    expect([...findSpans(t, "abcdef0100000002", null)]).toEqual([0, 0, 1, 0, 0, 0, 0]);
    expect([...findSpans(t, "/at/3", details)]).toEqual([0, 0, 0, 1, 0, 0, 0]);
    expect([...findSpans(t, "card DECL", details)]).toEqual([0, 0, 0, 0, 0, 0, 1]);
    expect(findSpans(t, "service.version", details).every((one) => one === 1)).toBe(true);
    expect(findSpans(t, "", details).some((one) => one === 1)).toBe(false);
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
