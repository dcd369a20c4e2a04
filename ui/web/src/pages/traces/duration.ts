// Durations in searches.
import { digits } from "../../lib/units";

/** A duration as the search language writes it: `1.5ms`. */
export function durationText(ns: number): string {
  if (ns < 1e3) return `${Math.round(ns)}ns`;
  const [size, unit] = ns < 1e6 ? [1e3, "us"] : ns < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${digits(ns / size).replace("−", "-")}${unit}`;
}
