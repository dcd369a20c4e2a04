// What the page of traces asks for, and how found traces are sorted and marked.
import { ask, type Answer } from "../../lib/api";
import { queryInstant } from "../../lib/promql";
import type { Span } from "../../lib/time";

export interface Found {
  trace_id: string;
  start_unix_nano: string;
  duration_ns: number;
  root?: { service: string; name: string };
  first?: { service: string; name: string };
  span_count: number;
  error_count: number;
  services: { name: string; span_count: number }[];
  matched_count: number;
}

export interface SpanHistogram {
  start_ms: number;
  step_ms: number;
  bounds_ns: number[];
  counts: number[][];
  spans: number[];
  errors: number[];
  p50_ns: (number | null)[];
  p99_ns: (number | null)[];
  total: number;
}

export type Sort = "newest" | "slowest" | "errors";
export const SORTS: readonly { value: Sort; label: string }[] = [
  { value: "newest", label: "Newest" },
  { value: "slowest", label: "Slowest" },
  { value: "errors", label: "Most errors" },
];

const times = ({ start, end }: Span) => ({ start: start / 1000, end: end / 1000 });

export function searchTraces(q: string, range: Span, limit: number, signal: AbortSignal): Promise<Answer<{ traces: Found[] }>> {
  return ask("/api/v1/traces/search", { q, ...times(range), limit }, signal);
}

export function askHistogram(q: string, range: Span, buckets: number, signal: AbortSignal): Promise<Answer<SpanHistogram>> {
  return ask("/api/v1/traces/histogram", { q, ...times(range), buckets }, signal);
}

/** Sorts what was found; equal ones stay newest first. */
export function sorted(list: readonly Found[], by: Sort): readonly Found[] {
  if (by === "newest") return list;
  const value = by === "slowest" ? (one: Found) => one.duration_ns : (one: Found) => one.error_count;
  return list.map((one, i) => ({ one, i })).sort((a, b) => value(b.one) - value(a.one) || a.i - b.i).map(({ one }) => one);
}

export const startMs = (found: Found) => Number(BigInt(found.start_unix_nano) / 1_000_000n);

export interface FacetValue {
  /** As a search says it. */
  value: string;
  count: number;
}

export interface Facet {
  key: string;
  values: FacetValue[];
}

/** Which label of the span metrics a facet is counted by. */
const LABELS: readonly [key: string, label: string][] = [
  ["service", "service"],
  ["name", "span_name"],
  ["status", "status_code"],
  ["kind", "span_kind"],
];

/** `STATUS_CODE_ERROR` is `error` in a search, `SPAN_KIND_SERVER` is `server`. */
export const searchWord = (label: string) => label.replace(/^(STATUS_CODE|SPAN_KIND)_/, "").toLowerCase();

/** Counts spans by service, name, status and kind from the series that are made of all spans. */
export async function askFacets(services: readonly string[], range: Span, signal: AbortSignal): Promise<Facet[]> {
  const seconds = Math.max(60, Math.round((range.end - range.start) / 1000));
  const matcher = services.length > 0 ? `service=~${JSON.stringify(services.map(escapeRegex).join("|"))}` : "";
  return Promise.all(
    LABELS.map(async ([key, label]) => {
      // The list of services stays whole, so that another one can be chosen.
      const chosen = key === "service" ? "" : matcher;
      const query = `topk(100, sum by (${label}) (increase(traces_spanmetrics_calls_total{${chosen}}[${seconds}s])))`;
      const { data } = await queryInstant(query, range.end, signal);
      const values = data
        .map(({ labels, value }) => ({ value: key === "status" || key === "kind" ? searchWord(labels[label] ?? "") : (labels[label] ?? ""), count: value }))
        .filter(({ value, count }) => value !== "" && count > 0)
        .sort((a, b) => b.count - a.count || a.value.localeCompare(b.value));
      return { key, values };
    }),
  );
}

const escapeRegex = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
