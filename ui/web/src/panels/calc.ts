// One number of many.
export type Values = readonly (number | null)[];

export function calculate(values: Values, how = "last-number"): number | null {
  const known = values.filter((value): value is number => value !== null && !Number.isNaN(value));
  if (how === "count") return known.length;
  if (how === "last") return values[values.length - 1] ?? null;
  if (how === "first") return values[0] ?? null;
  if (known.length === 0) return null;
  switch (how) {
    case "first-number": return known[0];
    case "mean": case "avg": return known.reduce((sum, v) => sum + v, 0) / known.length;
    case "sum": return known.reduce((sum, v) => sum + v, 0);
    case "min": return known.reduce((a, b) => Math.min(a, b));
    case "max": return known.reduce((a, b) => Math.max(a, b));
    case "range": return known.reduce((a, b) => Math.max(a, b)) - known.reduce((a, b) => Math.min(a, b));
    case "delta": return known[known.length - 1] - known[0];
    default: return known[known.length - 1];
  }
}

export const CALCULATIONS = ["last-number", "mean", "min", "max", "sum", "first-number", "count", "range", "delta"] as const;
export const calcName: Record<string, string> = { "last-number": "last", last: "last", mean: "mean", min: "min", max: "max", sum: "sum", "first-number": "first", first: "first", count: "count", range: "range", delta: "change" };
