import { describe, expect, it, vi } from "vitest";
import type { Slo, SloBudget } from "../src/lib/model";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
const { allowance, itemsOf, percent, selectorOf, tiersOf, tried } = await import("../src/pages/slos/model");

const budget = (left: number | null, burning: SloBudget["burning"] = [], group = {}): SloBudget => ({ group, good: 90, valid: 100, error_ratio: 0.1, budget_left: left, burn: {}, burning });
const slo = (name: string, budgets: SloBudget[]): Slo => ({ name, service: "shop", description: "", labels: {}, target: 0.99, window: "30d", group_by: [], file: "s.yml", line: 1, budgets });
const fires = (severity: string) => ({ tier: "quick", severity, long: "1h", short: "5m", factor: 14.4 });

describe("objectives", () => {
  it("stand worst first, groups apart", () => {
    const items = itemsOf([slo("new", []), slo("good", [budget(0.9)]), slo("many", [budget(0.5, [], { g: "a" }), budget(0.1, [fires("page")], { g: "b" })]), slo("low", [budget(0.4, [fires("ticket")])]), slo("gone", [budget(-0.2)])]);
    expect(items.map((i) => `${i.slo.name} ${i.group} ${i.word}`.replace("  ", " "))).toEqual(["many b burning", "gone used up", "low warning", "many a ok", "good ok", "new no events"]);
  });
  it("say what they allow, as they were written", () => {
    expect(allowance({ target: 0.99 }, budget(0))).toEqual({ bad: 10, allowed: expect.closeTo(1) as number });
    expect(percent(0.9995)).toBe("99.95 %");
    expect(selectorOf(slo("a\"b", []), budget(1, [], { g: "x" }))).toBe('{slo="a\\"b",g="x"}');
  });
  it("have the tiers of the workbook", () => {
    const factors = tiersOf(0.999, "30d").map((t) => [t.severity, t.name, Number(t.factor.toFixed(1))]);
    expect(factors).toEqual([["page", "outage", 100], ["page", "quick", 14.4], ["page", "slow", 6], ["ticket", "quick", 3], ["ticket", "slow", 1]]);
  });
});

describe("a target tried against history", () => {
  // Two stretches of 20 % bad events, an hour window that follows.
  const shares = new Map([["5m", [0, 0.2, 0.2, 0, 0.2, 0]], ["1h", [0, 0.2, 0.2, 0.2, 0.2, 0.01]]]);
  it("pages once per stretch where both windows are above", () => {
    expect(tried(0.99, "30d", shares)).toEqual({ page: 2, ticket: 0, steps: 6, firing: 3 });
  });
  it("pages less often the looser it is, never more", () => {
    const firing = [0.9, 0.95, 0.99, 0.999].map((target) => tried(target, "30d", shares).firing);
    expect(firing).toEqual([...firing].sort((a, b) => a - b));
    expect(firing[0]).toBe(0);
  });
  it("needs both windows", () => {
    expect(tried(0.99, "30d", new Map([["5m", [1, 1]]])).page).toBe(0);
  });
});
