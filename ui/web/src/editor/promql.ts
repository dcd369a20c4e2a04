// PromQL: Prometheus' own grammar and completion, asked of this server with bounds.
import type { Extension } from "@codemirror/state";
import { PromQLExtension, type PrometheusClient } from "@prometheus-io/codemirror-promql";
import { ask } from "../lib/api";
import { LIMITS } from "../lib/limits";
import { range } from "../lib/time";

interface Matcher {
  name: string;
  value: string;
  matchesEmpty: () => boolean;
  type: number;
}

const times = () => ({ start: range.value.start / 1000, end: range.value.end / 1000, limit: LIMITS.names });

/** Completion never fails in front of a person who writes: without an answer there is none. */
async function list(path: string, query: Record<string, string | number | string[] | undefined>): Promise<string[]> {
  try {
    return (await ask<string[]>(path, { ...times(), ...query })).data;
  } catch {
    return [];
  }
}

const selector = (metric?: string) => (metric ? [`{__name__=${JSON.stringify(metric)}}`] : undefined);

const client: PrometheusClient = {
  labelNames: (metric) => list("/api/v1/labels", { "match[]": selector(metric) }),
  labelValues: (label, metric, _matchers?: Matcher[]) => list(`/api/v1/label/${encodeURIComponent(label)}/values`, { "match[]": selector(metric) }),
  metricMetadata: async () => {
    try {
      return (await ask<Record<string, { type: string; help: string }[]>>("/api/v1/metadata", { limit: 2000 })).data;
    } catch {
      return {};
    }
  },
  series: async (metric) => {
    try {
      const { data } = await ask<Record<string, string>[]>("/api/v1/series", { ...times(), "match[]": selector(metric) });
      return data.map((labels) => new Map(Object.entries(labels)));
    } catch {
      return [];
    }
  },
  metricNames: (prefix) => list("/api/v1/label/__name__/values", prefix ? { "match[]": [`{__name__=~${JSON.stringify(`.*${escape(prefix)}.*`)}}`] } : {}),
  flags: async () => ({}),
};

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The linter stays off: the server's errors are shown in its own words. */
export function promql(): Extension {
  return new PromQLExtension().setComplete({ remote: client, maxMetricsMetadata: 2000 }).activateLinter(false).asExtension();
}
