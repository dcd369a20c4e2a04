// Series of a classic histogram, one for each `le`, as cells of a heatmap.
import type { NamedSeries } from "./data";

export interface Cells {
  bounds: number[];
  /** Per time, per bound. */
  counts: number[][];
}

const boundOf = ({ labels, name }: NamedSeries) => {
  const text = labels.le ?? name;
  return text === "+Inf" ? Infinity : Number(text);
};

/** Buckets count everything below them: differences of neighbours are the cells. Null where there are none. */
export function cellsOf(series: readonly NamedSeries[], times: number): Cells | null {
  const buckets = series.map((one) => ({ bound: boundOf(one), values: one.values })).filter(({ bound }) => !Number.isNaN(bound)).sort((a, b) => a.bound - b.bound);
  if (buckets.length < 2) return null;
  const cumulative = series.some(({ labels }) => labels.le !== undefined);
  const counts = Array.from({ length: times }, (_, t) => {
    let before = 0;
    return buckets.map(({ values }) => {
      const value = values[t] ?? 0;
      const count = cumulative ? Math.max(0, value - before) : value;
      if (cumulative) before = Math.max(before, value);
      return Number.isFinite(count) ? count : 0;
    });
  });
  // What is empty at both ends only takes place.
  const used = buckets.map((_, b) => counts.some((column) => column[b] > 0));
  const [first, last] = [used.indexOf(true), used.lastIndexOf(true)];
  if (first < 0) return null;
  const [from, to] = [Math.max(0, first - 1), Math.min(buckets.length, last + 2)];
  return { bounds: buckets.slice(from, to).map(({ bound }) => bound), counts: counts.map((column) => column.slice(from, to)) };
}

/** Values of series counted into buckets of one width. */
export function histogramOf(values: readonly number[], wanted: number, width?: number): { from: number; width: number; counts: number[] } | null {
  if (values.length === 0) return null;
  const [min, max] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const raw = width ?? ((max - min) / wanted || 1);
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = width ?? [1, 2, 5, 10].map((n) => n * size).find((n) => n >= raw) ?? raw;
  const from = Math.floor(min / step) * step;
  const counts = new Array<number>(Math.min(500, Math.max(1, Math.floor((max - from) / step) + 1))).fill(0);
  for (const value of values) counts[Math.min(counts.length - 1, Math.floor((value - from) / step))]++;
  return { from, width: step, counts };
}
