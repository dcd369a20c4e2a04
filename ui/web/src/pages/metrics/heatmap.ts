// Classic buckets as a heatmap: cumulative counts over `le` become counts per bucket.
import type { Matrix } from "../../lib/promql";
import { parseValue } from "../../lib/promql";
import { metricIn } from "./names";

export interface Buckets {
  startMs: number;
  stepMs: number;
  bounds: number[];
  /** Per time, per bound. */
  counts: number[][];
}

/** Returns the question of the buckets behind a question, or null where there is no histogram in it. */
export function heatmapQuery(query: string): { query: string } | null {
  const metric = metricIn(query);
  if (!metric || !/histogram_quantile|_bucket|histogram_/.test(query)) return null;
  const matchers = new RegExp(`${metric.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?:_bucket)?\\s*(\\{[^}]*\\})`).exec(query)?.[1] ?? "";
  return { query: `sum by (le) (increase(${metric}_bucket${matchers}[$__interval]))` };
}

export function heatmapOf({ times, series }: Matrix): Buckets {
  const rows = series.map(({ labels, values }) => ({ le: parseValue(labels.le ?? ""), values })).filter((row) => !Number.isNaN(row.le)).sort((a, b) => a.le - b.le);
  const finite = rows.filter((row) => Number.isFinite(row.le));
  const bounds = finite.map((row) => row.le);
  if (rows.length > finite.length && bounds.length > 0) bounds.push(bounds[bounds.length - 1] * 2);
  const counts = times.map((_, t) => {
    let below = 0;
    return rows.slice(0, bounds.length).map(({ values }) => {
      const sum = values[t] ?? 0;
      const own = Math.max(0, sum - below);
      below = Math.max(below, sum);
      return own;
    });
  });
  const stepMs = times.length > 1 ? (times[1] - times[0]) * 1000 : 60_000;
  return { startMs: (times[0] ?? 0) * 1000, stepMs, bounds, counts: bounds.length > 0 ? counts : [] };
}
