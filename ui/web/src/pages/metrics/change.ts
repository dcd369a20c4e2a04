// What a result is about, in numbers: per series last, least, mean, most; and which label's values changed most.
import type { Labels, Matrix } from "../../lib/promql";

export interface Summary {
  last: number | null;
  min: number;
  avg: number;
  max: number;
}

export function summarise(values: readonly (number | null)[]): Summary {
  let [min, max, sum, count] = [Infinity, -Infinity, 0, 0];
  let last: number | null = null;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    last = value;
    min = Math.min(min, value);
    max = Math.max(max, value);
    sum += value;
    count++;
  }
  return count === 0 ? { last: null, min: NaN, avg: NaN, max: NaN } : { last, min, avg: sum / count, max };
}

export interface Change {
  label: string;
  value: string;
  /** Share of all change, 0 to 1. */
  share: number;
  /** The sum over the value's series. */
  values: (number | null)[];
}

/** The label whose values explain most of the change between the first and the last quarter of the range. */
export function changes(data: Matrix, top = 5): Change[] {
  if (data.series.length < 2) return [];
  const keys = new Set(data.series.flatMap(({ labels }) => Object.keys(labels)));
  keys.delete("__name__");
  let best: { spread: number; list: Change[] } = { spread: 0, list: [] };
  for (const key of keys) {
    const groups = groupBy(data, key);
    if (groups.size < 2) continue;
    const moved = [...groups].map(([value, values]) => ({ value, values, by: Math.abs(shift(values)) }));
    const total = moved.reduce((sum, one) => sum + one.by, 0);
    if (total === 0) continue;
    const list = moved.sort((a, b) => b.by - a.by).slice(0, top).map(({ value, values, by }) => ({ label: key, value, share: by / total, values }));
    // A label that puts the change on few values explains more than one that spreads it.
    const spread = list[0].share - 1 / groups.size;
    if (spread > best.spread) best = { spread, list };
  }
  return best.list;
}

function groupBy(data: Matrix, key: string): Map<string, (number | null)[]> {
  const groups = new Map<string, (number | null)[]>();
  for (const { labels, values } of data.series) {
    const value = (labels as Labels)[key] ?? "";
    const sum = groups.get(value);
    if (!sum) groups.set(value, [...values]);
    else values.forEach((v, i) => v !== null && (sum[i] = (sum[i] ?? 0) + v));
  }
  return groups;
}

function shift(values: readonly (number | null)[]): number {
  const quarter = Math.max(1, Math.floor(values.length / 4));
  const mean = (part: readonly (number | null)[]) => {
    const known = part.filter((v): v is number => v !== null && Number.isFinite(v));
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : 0;
  };
  return mean(values.slice(-quarter)) - mean(values.slice(0, quarter));
}
