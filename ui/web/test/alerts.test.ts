import { describe, expect, it, vi } from "vitest";
import type { RuleGroup, Told } from "../src/pages/alerts/model";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
const { stretches, statesText } = await import("../src/pages/alerts/States");
const { aboutOf, badgeOf, keyOf, matcherText, matchersOf, readMatchers, rowsOf, split, statesOf } = await import("../src/pages/alerts/model");

const rule = (name: string, alerts: RuleGroup["rules"][0]["alerts"], labels = {}): RuleGroup["rules"][0] => ({
  name, alerts, labels, query: "x > 1", health: "ok", type: "alerting", evaluationTime: 0.001, lastEvaluation: "2026-11-22T00:00:00Z",
});
const alert = (labels: Record<string, string>, state: "firing" | "pending", activeAt = "2026-11-22T00:10:00Z") => ({ labels, annotations: {}, state, activeAt, value: "1e+00" });
const told = (labels: Record<string, string>, status: Partial<Told["status"]> = {}): Told => ({
  labels, fingerprint: "f", receivers: [{ name: "hook" }], status: { state: "active", silencedBy: [], inhibitedBy: [], mutedBy: [], ...status },
});

describe("the list of alerts", () => {
  const groups: RuleGroup[] = [{
    name: "g", file: "f.yml", interval: 15,
    rules: [
      rule("Page", [alert({ alertname: "Page", severity: "page" }, "firing")], { severity: "page" }),
      rule("Slow", [alert({ alertname: "Slow", i: "1" }, "pending"), alert({ alertname: "Slow", i: "2" }, "firing")]),
      rule("Quiet", [alert({ alertname: "Quiet", severity: "page" }, "firing")]),
    ],
  }];
  const past = statesOf({
    times: [0, 60, 120],
    series: [
      { labels: { __name__: "ALERTS", alertname: "Slow", i: "2", alertstate: "pending" }, values: [1, null, null] },
      { labels: { __name__: "ALERTS", alertname: "Slow", i: "2", alertstate: "firing" }, values: [null, 1, 1] },
      { labels: { __name__: "ALERTS", alertname: "Page", severity: "page", host: "gone", alertstate: "firing" }, values: [1, 1, null] },
    ],
  });
  // External labels stand on what receivers are told only.
  const said = [told({ alertname: "Quiet", severity: "page", cluster: "a" }, { state: "suppressed", silencedBy: ["s1"] }), told({ alertname: "Other", from: "elsewhere" })];
  const rows = rowsOf(groups, said, past, [0, 60, 120]);

  it("puts what needs somebody first, and what is over last", () => {
    expect(rows.map((row) => `${row.name} ${row.state} ${row.quiet}`.trim())).toEqual(["Page firing", "Slow firing", "Other firing", "Slow pending", "Quiet firing silenced", "Page over"]);
  });
  it("joins the two series of an alert into one strip", () => {
    expect(rows.find((row) => row.labels.i === "2")?.states).toEqual([1, 2, 2]);
  });
  it("knows the rule of an alert that is over, and when it ended", () => {
    const over = rows[rows.length - 1];
    expect(over.rule?.name).toBe("Page");
    expect(over.since).toBe(60_000);
  });
  it("tells states by word and shape, not by colour alone", () => {
    const words = rows.map((row) => badgeOf(row)).map(({ state, word }) => `${state} ${word}`);
    expect(words).toEqual(["err firing", "warn firing", "warn firing", "info pending", "none silenced", "ok over"]);
  });
});

describe("matchers", () => {
  it("are read as they are written", () => {
    const text = 'alertname="A \\"b\\"", service=~"a|b", job!=x';
    const read = readMatchers(text);
    expect(read).toEqual([
      { name: "alertname", value: 'A "b"', isRegex: false, isEqual: true },
      { name: "service", value: "a|b", isRegex: true, isEqual: true },
      { name: "job", value: "x", isRegex: false, isEqual: false },
    ]);
    expect(typeof read === "string" ? "" : read.map(matcherText).join(", ")).toBe('alertname="A \\"b\\"", service=~"a|b", job!="x"');
  });
  it("say what is wrong", () => {
    for (const text of ["", "{}", "a", "a=", "a==b", "=b"]) expect(typeof readMatchers(text), text).toBe("string");
  });
  it("of an alert read back as its labels", () => {
    const labels = { alertname: "A", path: 'C:\\x "y"' };
    expect(readMatchers(matchersOf(labels))).toEqual(Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true })));
  });
});

describe("an expression and its threshold", () => {
  it.each([
    ["up == 0", "up", "==", 0],
    ["shop:failed:ratio > 0.03", "shop:failed:ratio", ">", 0.03],
    ['sum by (a) (rate(x{l=">"}[5m])) >= 1e-3', 'sum by (a) (rate(x{l=">"}[5m]))', ">=", 0.001],
    ["(a > 1) / b < -2", "(a > 1) / b", "<", -2],
  ])("%s", (query, left, op, threshold) => expect(split(query)).toEqual({ left, op, threshold }));
  it.each(["up", "a or b > 3", "a > b", "3 < x", "(a > 1", "a > 1 < 5"])("%s has none", (query) => expect(split(query)).toBeNull());
});

it("strips run through and are told in words", () => {
  expect(stretches([0, 1, 1, 2, 0, 2])).toEqual([{ from: 1, to: 3, state: 1 }, { from: 3, to: 4, state: 2 }, { from: 5, to: 6, state: 2 }]);
  expect(statesText([0, 1, 1, 2, 0, 2], 60)).toBe("firing 2 min in 2 stretches, pending 2 min");
  expect(statesText([], 60)).toBe("not active in this range");
});

it("an alert is known by its labels, whatever their order", () => {
  expect(keyOf({ b: "2", a: "1", alertstate: "firing", __name__: "ALERTS" })).toBe(keyOf({ a: "1", b: "2" }));
  expect(aboutOf('{}/{severity="page"}:{alertname="A", service="b"}')).toBe('alertname="A", service="b"');
  expect(aboutOf("{}:{}")).toBe("all alerts of the route");
});
