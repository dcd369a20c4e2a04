// Objectives as people look at them: worst first, tiers with what they see, and a target tried against
// what happened. Pure.
import type { Slo, SloBudget } from "../../lib/model";
import { parseDuration } from "../../lib/time";
import type { State } from "../../ui/parts";

export interface Item {
  slo: Slo;
  budget?: SloBudget;
  /** The values of its group. */
  group: string;
  state: State;
  word: string;
}

const RANK: Record<State, number> = { err: 0, warn: 1, info: 2, ok: 3, none: 4 };

/** One item per objective and group, what needs somebody first. */
export function itemsOf(slos: readonly Slo[]): Item[] {
  const items = slos.flatMap<Item>((slo) => {
    if (slo.budgets.length === 0) return [{ slo, group: "", ...stateOf(undefined) }];
    return slo.budgets.map((budget) => ({ slo, budget, group: Object.values(budget.group).join(" "), ...stateOf(budget) }));
  });
  const left = (item: Item) => item.budget?.budget_left ?? Infinity;
  return items.sort((a, b) => RANK[a.state] - RANK[b.state] || left(a) - left(b) || a.slo.name.localeCompare(b.slo.name) || a.group.localeCompare(b.group));
}

export function stateOf(budget: SloBudget | undefined): { state: State; word: string } {
  if (!budget || budget.budget_left === null) return { state: "none", word: "no events" };
  if (budget.burning.some((one) => one.severity === "page")) return { state: "err", word: "burning" };
  if (budget.burning.length > 0) return { state: "warn", word: "warning" };
  if (budget.budget_left <= 0) return { state: "warn", word: "used up" };
  return { state: "ok", word: "ok" };
}

export interface Tier {
  name: string;
  severity: "page" | "ticket";
  long: string;
  short: string;
  factor: number;
}

/** The tiers of the workbook and the outage tier in front, as the server's rules have them. */
export function tiersOf(target: number, window: string): Tier[] {
  const period = (parseDuration(window) ?? 30 * 864e5) / 1000;
  const of = (share: number, severity: Tier["severity"], long: string, short: string, name: string): Tier => ({ name, severity, long, short, factor: (share * period) / ((parseDuration(long) ?? 1) / 1000) });
  return [
    { name: "outage", severity: "page", long: "2m", short: "30s", factor: Math.min(0.5 / (1 - target), 100) },
    of(0.02, "page", "1h", "5m", "quick"),
    of(0.05, "page", "6h", "30m", "slow"),
    of(0.1, "ticket", "1d", "2h", "quick"),
    of(0.1, "ticket", "3d", "6h", "slow"),
  ];
}

/** Bad events that the window may have, that it had, and the share of them. */
export function allowance(slo: Pick<Slo, "target">, budget: SloBudget): { bad: number; allowed: number } | null {
  if (budget.good === null || budget.valid === null) return null;
  return { bad: budget.valid - budget.good, allowed: budget.valid * (1 - slo.target) };
}

/** How often a target would have fired, out of the shares of bad events by window. */
export function tried(target: number, window: string, shares: ReadonlyMap<string, readonly (number | null)[]>): { page: number; ticket: number; steps: number; firing: number } {
  const steps = Math.max(0, ...[...shares.values()].map((values) => values.length));
  const counts = { page: 0, ticket: 0, steps, firing: 0 };
  for (const severity of ["page", "ticket"] as const) {
    const tiers = tiersOf(target, window).filter((tier) => tier.severity === severity && shares.has(tier.long) && shares.has(tier.short));
    let before = false;
    for (let at = 0; at < steps; at++) {
      const fires = tiers.some((tier) => {
        const limit = tier.factor * (1 - target);
        return (shares.get(tier.long)![at] ?? 0) > limit && (shares.get(tier.short)![at] ?? 0) > limit;
      });
      if (fires && !before) counts[severity]++;
      if (fires && severity === "page") counts.firing++;
      before = fires;
    }
  }
  return counts;
}

/** A target in per cent as it was written: `99.9`, not `99.9000001`. */
export const percent = (target: number) => `${Number((target * 100).toPrecision(8))} %`;

/** The selector of the series of an objective and a group. */
export function selectorOf(slo: Pick<Slo, "name">, budget: Pick<SloBudget, "group"> | undefined, more = ""): string {
  const labels = { slo: slo.name, ...budget?.group };
  const inner = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `{${[...inner, more].filter(Boolean).join(",")}}`;
}
