// What the page of a service asks for.
import { ask, type Answer } from "../../lib/api";
import type { Alert, ServiceSummary, Slo } from "../../lib/model";
import type { Matrix } from "../../lib/promql";
import { termText } from "../../lib/terms";
import type { Span } from "../../lib/time";

type Maybe = number | null;

export interface Operation {
  name: string;
  kind: string;
  spans_per_second: Maybe;
  errors_ratio: Maybe;
  p50_ns: Maybe;
  p99_ns: Maybe;
}

export interface Neighbour {
  service: string;
  connection_type: string;
  spans_per_second: Maybe;
  errors_ratio: Maybe;
  p50_ns: Maybe;
  p99_ns: Maybe;
}

export interface Deploy {
  version: string;
  first_seen_ms: number;
  last_seen_ms: number;
  /** It was there when the range began. */
  before_start: boolean;
  rows: number;
}

export interface Instance {
  id: string;
  host: string | null;
  pod: string | null;
  version: string | null;
  first_seen_ms: number;
  last_seen_ms: number;
}

export interface TopError {
  message: string;
  count: number;
  trace_id: string;
  span_id?: string;
  last_seen_ms: number;
}

export interface ServiceDetail extends Omit<ServiceSummary, "series" | "versions"> {
  measured_by: "entry_spans" | "all_spans" | null;
  series: { start_ms: number; step_ms: number; rate: Maybe[]; errors: Maybe[]; p50_ns: Maybe[]; p99_ns: Maybe[] } | null;
  operations: Operation[];
  upstream: Neighbour[];
  downstream: Neighbour[];
  deploys: Deploy[];
  instances: Instance[];
  resource: Record<string, unknown>;
  top_errors: TopError[];
}

const times = ({ start, end }: Span) => ({ start: start / 1000, end: end / 1000 });

export function askService(name: string, range: Span, signal: AbortSignal): Promise<Answer<ServiceDetail>> {
  return ask(`/api/v1/services/${encodeURIComponent(name)}`, { ...times(range), points: 120 }, signal);
}

export interface Watched {
  slos: Slo[];
  alerts: Alert[];
}

/** Objectives and alerts of a service: those that name it. */
export async function askWatched(name: string, signal: AbortSignal): Promise<Watched> {
  const [slos, alerts] = await Promise.all([ask<Slo[]>("/api/v1/slos", {}, signal), ask<{ alerts: Alert[] }>("/api/v1/alerts", {}, signal)]);
  return {
    slos: slos.data.filter((slo) => slo.service === name),
    alerts: alerts.data.alerts.filter(({ labels, state }) => state !== "inactive" && [labels.service, labels.service_name, labels.job].includes(name)),
  };
}

export interface LogLine {
  timestamp_unix_nano: string;
  severity_number: number;
  trace_id?: string;
  span_id?: string;
  body: unknown;
}

export interface LevelHistogram {
  start_ms: number;
  step_ms: number;
  levels: string[];
  counts: number[][];
  total: number;
}

export const logsOf = (name: string) => termText("service", name);

export function askLevels(name: string, range: Span, signal: AbortSignal): Promise<Answer<LevelHistogram>> {
  return ask("/api/v1/logs/histogram", { q: logsOf(name), ...times(range), buckets: 80 }, signal);
}

export function askErrors(name: string, range: Span, signal: AbortSignal): Promise<Answer<{ rows: LogLine[] }>> {
  return ask("/api/v1/logs/search", { q: `${logsOf(name)} level>=error`, ...times(range), limit: 20 }, signal);
}

/** Which of some traces are stored: only those are linked to. */
export async function askStored(ids: readonly string[], signal: AbortSignal): Promise<Set<string>> {
  const wanted = [...new Set(ids.filter(Boolean))].slice(0, 200);
  if (wanted.length === 0) return new Set();
  const { data } = await ask<{ stored: string[] }>("/api/v1/traces/stored", { id: wanted }, signal);
  return new Set(data.stored);
}

/** Series of a service as a chart takes them. */
export function matrix(startMs: number, stepMs: number, lines: readonly [name: string, values: readonly Maybe[]][]): Matrix {
  const count = Math.max(0, ...lines.map(([, values]) => values.length));
  return {
    times: Array.from({ length: count }, (_, i) => (startMs + i * stepMs) / 1000),
    series: lines.map(([name, values]) => ({ labels: { name }, values: [...values] })),
  };
}

/** Failed spans as a share of all, where there are any. */
export const errorRatios = (rate: readonly Maybe[], errors: readonly Maybe[]): Maybe[] => rate.map((all, i) => (all ? (errors[i] ?? 0) / all : null));

export type OperationSort = "spans_per_second" | "errors_ratio" | "p99_ns" | "time";

/** What an operation takes in all: how often times how long. */
export const busy = (one: Operation) => (one.spans_per_second ?? 0) * (one.p50_ns ?? 0);

export function sortOperations(list: readonly Operation[], by: OperationSort): Operation[] {
  const value = (one: Operation) => (by === "time" ? busy(one) : (one[by] ?? -1));
  return [...list].sort((a, b) => value(b) - value(a) || a.name.localeCompare(b.name));
}
