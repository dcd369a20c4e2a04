import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
const { budgetSentence, burnSentence, concerns, rankServices } = await import("../src/pages/overview/health");
const { standsOut } = await import("../src/pages/overview/cause");

const budget = (over: object) => ({ group: {}, good: 1, valid: 1, error_ratio: 0.01, budget_left: 0.5, burn: { "1h": 14.2, "6h": 6.1 }, burning: [], ...over });
const slo = (over: object) => ({ name: "pay", service: "payment", description: "", labels: {}, target: 0.999, window: "30d", group_by: [], file: "", line: 1, budgets: [budget(over)] });
const burning = [{ tier: "quick", severity: "page", long: "1h", short: "5m", factor: 14.4 }];
const service = (name: string, errors: number | null) => ({ name, spans_per_second: 10, errors_ratio: errors, p50_ns: 1, p99_ns: 2, log_errors: 0, versions: [], series: { start_ms: 0, step_ms: 1, rate: [], errors: [], p99_ns: [] } });

describe("objectives in words", () => {
  it("says how long the budget lasts", () => {
    const one = slo({});
    expect(budgetSentence(one, one.budgets[0])).toBe("budget gone in 25 h at this rate");
    const burnt = slo({ burning });
    expect(burnSentence(burnt, burnt.budgets[0])).toBe("14.2× burn over 1h · budget gone in 25 h at this rate");
  });
  it("says when it is used up, untouched, unmeasured", () => {
    for (const [over, text] of [
      [{ budget_left: -0.14 }, "budget used up, 14 % beyond it"],
      [{ budget_left: -8.87 }, "budget used up 9.87 times over"],
      [{ budget_left: 0.96, burn: { "1h": 0.4 } }, "96 % of the budget left"],
      [{ budget_left: null }, "nothing measured yet"],
    ] as const) {
      const one = slo(over);
      expect(budgetSentence(one, one.budgets[0])).toBe(text);
    }
  });
});

describe("what needs attention", () => {
  it("comes first", () => {
    const alerts = [{ labels: { alertname: "Slow", service: "cart", severity: "ticket" }, annotations: {}, state: "firing" as const, activeAt: "2026-11-21T10:00:00Z", value: "1" }];
    expect(concerns([slo({ burning })], alerts).map((c) => c.word)).toEqual(["burning", "firing"]);
    const ranked = rankServices([service("ads", 0), service("cart", 0), service("email", 0.2), service("payment", 0.04)], [slo({ burning })], alerts);
    expect(ranked.map((h) => [h.service.name, h.word])).toEqual([["payment", "burning"], ["email", "errors"], ["cart", "warning"], ["ads", "ok"]]);
  });
});

describe("suspected cause", () => {
  const facets = (rows: number, values: Record<string, [string, number][]>) => ({ rows, facets: Object.entries(values).map(([key, list]) => ({ key, values: list.map(([value, count]) => ({ value, count })), distinct: list.length, truncated: false, rows })) });
  it("is what errors share and other rows do not", () => {
    const bad = facets(100, { gateway: [["eu-2", 96]], region: [["eu", 100]], "user.id": [["7", 100]] });
    const all = facets(1000, { gateway: [["eu-1", 500], ["eu-2", 300]], region: [["eu", 990]] });
    expect(standsOut(bad, all)).toEqual([{ key: "gateway", value: "eu-2", share: 0.96 }]);
  });
  it("is not guessed from a handful", () => expect(standsOut(facets(3, { gateway: [["eu-2", 3]] }), facets(900, { gateway: [["eu-2", 9]] }))).toEqual([]));
});
