// Log records as the server sends them, and the questions about them.
import { ask, type Answer, type Query } from "../../lib/api";
import { hash } from "../../lib/palette";
import { asText } from "../../lib/text";

export interface LogRow {
  timestamp: string;
  timestamp_unix_nano: string;
  severity_number?: number;
  severity_text?: string;
  service?: string;
  event_name?: string;
  trace_id?: string;
  span_id?: string;
  body?: unknown;
  attributes?: Record<string, unknown>;
  resource?: { attributes?: Record<string, unknown> };
  scope?: { name?: string; version?: string; attributes?: Record<string, unknown> };
}

export interface Histogram {
  start_ms: number;
  step_ms: number;
  levels: string[];
  /** Per level, per bucket. */
  counts: number[][];
  total: number;
}

export interface Facet {
  key: string;
  values: { value: string; count: number }[];
  distinct: number;
  truncated: boolean;
}

export const LEVELS = ["unset", "trace", "debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof LEVELS)[number];

/** Colours of the histogram, from the bottom up. */
export const LEVEL_COLOR: Record<Level, string> = {
  unset: "--c-ctx",
  trace: "--c-ctx",
  debug: "--fg-3",
  info: "--info",
  warn: "--warn",
  error: "--err",
  fatal: "--c7",
};

export function levelOf(row: LogRow): Level {
  const number = row.severity_number ?? 0;
  return number >= 1 && number <= 24 ? LEVELS[1 + Math.floor((number - 1) / 4)] : "unset";
}

/** The word of a row: its level, or what its sender called it. */
export function levelWord(row: LogRow): string {
  const level = levelOf(row);
  return level === "unset" ? (row.severity_text ?? "").slice(0, 8).toUpperCase() : level.toUpperCase();
}

export const bodyOf = (row: LogRow) => asText(row.body);
export const timeMs = (row: LogRow) => Number(row.timestamp_unix_nano.slice(0, -6));

/** Names a row in the URL: its time, and what tells it from others of the same time. */
export function rowId(row: LogRow): string {
  return `${row.timestamp_unix_nano}-${hash(`${row.service ?? ""}\n${bodyOf(row).slice(0, 4096)}\n${row.span_id ?? ""}`).toString(36)}`;
}

/** The time of a row that the URL names, in ms. */
export function idTime(id: string): number | null {
  const nanos = /^(\d{10,20})-/.exec(id)?.[1];
  return nanos ? Number(nanos.slice(0, -6)) : null;
}

/** The value of a column: an intrinsic, an attribute, or a member of the resource or scope. */
export function valueOf(row: LogRow, key: string): string {
  const owned = /^@(attr|resource|scope)\.(.*)$/s.exec(key);
  if (owned?.[1] === "attr") return asText(row.attributes?.[owned[2]]);
  if (owned?.[1] === "resource") return asText(row.resource?.attributes?.[owned[2]]);
  if (owned?.[1] === "scope") return asText(row.scope?.attributes?.[owned[2]] ?? (owned[2] === "name" ? row.scope?.name : row.scope?.version));
  if (key === "trace" || key === "trace_id") return row.trace_id ?? "";
  if (key === "span" || key === "span_id") return row.span_id ?? "";
  if (key === "event" || key === "event_name") return row.event_name ?? "";
  if (key === "level") return levelOf(row);
  return asText(row.attributes?.[key] ?? row.resource?.attributes?.[key]);
}

/** What is asked of the server: a search and its range, in ms. */
export interface Question {
  q: string;
  start: number;
  end: number;
}

export const bounds = ({ q, start, end }: Question): Query => ({ q, start: start / 1000, end: end / 1000 });

export const askHistogram = (question: Question, buckets: number, signal: AbortSignal): Promise<Answer<Histogram>> =>
  ask<Histogram>("/api/v1/logs/histogram", { ...bounds(question), buckets }, signal);

export const askFacets = (question: Question, keys: readonly string[], limit: number, signal: AbortSignal): Promise<Answer<{ facets: Facet[]; rows: number }>> =>
  ask("/api/v1/logs/facets", { ...bounds(question), keys: keys.join(","), limit }, signal);

/** Counts the records of a histogram that are newer than a time: where a row is in the list. */
export function newerThan(histogram: Histogram, ms: number): number {
  let newer = 0;
  const count = histogram.counts[0]?.length ?? 0;
  for (let i = count - 1; i >= 0; i--) {
    const start = histogram.start_ms + i * histogram.step_ms;
    const all = inBucket(histogram, i);
    if (start > ms) newer += all;
    else {
      newer += Math.floor(all * Math.max(0, 1 - (ms - start) / histogram.step_ms));
      break;
    }
  }
  return newer;
}

/** The other way around: about when the row at a place of the list was. */
export function timeAt(histogram: Histogram, index: number): number {
  let newer = 0;
  const count = histogram.counts[0]?.length ?? 0;
  for (let i = count - 1; i >= 0; i--) {
    const all = inBucket(histogram, i);
    if (all > 0 && newer + all > index) {
      return Math.ceil(histogram.start_ms + (i + 1 - (index - newer) / all) * histogram.step_ms);
    }
    newer += all;
  }
  return histogram.start_ms;
}

const inBucket = (histogram: Histogram, i: number) => histogram.counts.reduce((sum, level) => sum + (level[i] ?? 0), 0);
