// The metrics of this server: searched by name on the server, with their types; and what to ask of a
// metric that somebody clicks.
import { ask } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { range } from "../../lib/time";
import type { Unit } from "../../lib/units";
import { unitOf } from "../../lib/units";

export type Kind = "counter" | "gauge" | "histogram" | "summary" | "state" | "info";

export interface Metric {
  name: string;
  kind: Kind;
  help: string;
  /** A native histogram has no `_bucket`. */
  native: boolean;
}

export interface Names {
  metrics: Metric[];
  truncated: boolean;
}

interface Meta {
  type: string;
  help: string;
}

const words = (text: string) => text.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));

/** Returns metrics whose name holds all words of the text, in that order. */
export async function findMetrics(text: string, signal?: AbortSignal): Promise<Names> {
  const parts = words(text);
  const match = parts.length > 0 ? [`{__name__=~${JSON.stringify(`.*${parts.join(".*")}.*`)}}`] : undefined;
  // Parts of one classic histogram are one metric here, so more are asked for than shown.
  const limit = LIMITS.names * 4;
  const times = { start: range.value.start / 1000, end: range.value.end / 1000 };
  const [names, meta] = await Promise.all([
    ask<string[]>("/api/v1/label/__name__/values", { ...times, limit, "match[]": match }, signal),
    metadata(signal),
  ]);
  const metrics = fold(names.data, meta);
  return { metrics: metrics.slice(0, LIMITS.names), truncated: metrics.length > LIMITS.names || names.data.length >= limit };
}

async function metadata(signal?: AbortSignal): Promise<Record<string, Meta[]>> {
  try {
    return (await ask<Record<string, Meta[]>>("/api/v1/metadata", { limit: 5000 }, signal)).data;
  } catch {
    return {}; // Types are guessed from names, then.
  }
}

/** Makes one metric of `x_bucket`, `x_sum`, `x_count`, and guesses types that nobody told. */
export function fold(names: readonly string[], meta: Record<string, Meta[]>): Metric[] {
  const all = new Set(names);
  const made = new Map<string, Metric>();
  for (const name of names) {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    const isPart = base !== name && (all.has(`${base}_bucket`) || meta[base]?.[0]?.type === "histogram" || meta[base]?.[0]?.type === "summary" || all.has(base));
    const told = meta[isPart ? base : name]?.[0] ?? meta[name]?.[0];
    const native = isPart ? all.has(base) : all.has(`${name}_count`) && all.has(`${name}_sum`);
    const key = isPart ? base : name;
    if (made.has(key)) continue;
    made.set(key, { name: key, kind: isPart || native ? (told?.type === "summary" ? "summary" : "histogram") : kindOf(name, told?.type), help: told?.help ?? "", native });
  }
  return [...made.values()];
}

function kindOf(name: string, type: string | undefined): Kind {
  if (type === "counter" || type === "histogram" || type === "summary" || type === "info") return type;
  if (type === "stateset" || /(^|_)up$|^ALERTS/.test(name)) return "state";
  if (!type || type === "unknown") return /_total$/.test(name) ? "counter" : /_info$/.test(name) ? "info" : "gauge";
  return "gauge";
}

export interface Ask {
  query: string;
  unit: Unit;
  title: string;
}

/** The question that fits a metric: rate of a counter, p99 of a histogram, average of a gauge. */
export function questionOf({ name, kind, native }: Metric, by = ""): Ask {
  const group = by ? ` by (${by})` : "";
  const selector = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) ? name : `{${JSON.stringify(name)}}`;
  switch (kind) {
    case "counter":
      return { query: `sum${group} (rate(${selector}[$__rate_interval]))`, unit: unitOf(name, true), title: "per second" };
    case "histogram": {
      const inner = native ? `sum${group} (rate(${selector}[$__rate_interval]))` : `sum by (le${by ? `, ${by}` : ""}) (rate(${name}_bucket[$__rate_interval]))`;
      return { query: `histogram_quantile(0.99, ${inner})`, unit: unitOf(name), title: "p99" };
    }
    case "summary":
      return { query: `sum${group} (rate(${name}_sum[$__rate_interval])) / sum${group} (rate(${name}_count[$__rate_interval]))`, unit: unitOf(name), title: "average" };
    case "info":
      return { query: `count${group} (${selector})`, unit: "short", title: "series" };
    default:
      return { query: by ? `avg by (${by}) (${selector})` : selector, unit: unitOf(name), title: kind === "state" ? "state" : "value" };
  }
}

/** The metric in an expression, as far as a person would point at it. */
export function metricIn(query: string): string | null {
  const quoted = /\{\s*"([^"]+)"/.exec(query) ?? /__name__\s*=\s*"([^"]+)"/.exec(query);
  if (quoted) return quoted[1];
  const skip = /^(sum|avg|min|max|count|by|without|rate|irate|increase|topk|bottomk|histogram_quantile|quantile|stddev|group|offset|bool|on|ignoring|and|or|unless|group_left|group_right|le|inf|nan|delta|deriv|abs|clamp\w*|label_\w+|\w+_over_time|histogram_\w+|sort\w*|time|vector|scalar|round|floor|ceil|ln|exp|sqrt|predict_linear|changes|resets|absent\w*)$/i;
  const bare = query.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "").replace(/\{[^}]*\}/g, "").replace(/\[[^\]]*\]/g, "");
  const name = (bare.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? []).find((word) => !skip.test(word));
  return name?.replace(/_(bucket|sum|count)$/, "") ?? null;
}
