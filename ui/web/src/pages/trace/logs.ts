// The log records of a trace, by span: marks on the lanes, and the lines in the side panel.
import { ask, type Answer } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { idOf, type Trace } from "./model";

export interface LogRow {
  timestamp: string;
  timestamp_unix_nano: string;
  severity_number: number;
  severity_text?: string;
  service: string;
  span_id?: string;
  body: unknown;
}

export interface TraceLogs {
  /** Per span, oldest first; records of unknown spans are under -1. */
  bySpan: Map<number, { offset: number; row: LogRow }[]>;
  count: number;
  /** More than the limit were stored. */
  isCut: boolean;
}

/** Asks for the records that carry the trace's id, around its time. */
export async function loadLogs(trace: Trace, signal: AbortSignal): Promise<Answer<TraceLogs>> {
  const around = 3_600_000;
  const [start, end] = [trace.startMs - around, trace.startMs + trace.durationNs / 1e6 + around];
  const limit = LIMITS.logRows;
  const answer = await ask<{ rows: LogRow[]; next_cursor?: string }>("/api/v1/logs/search", { q: `trace:${trace.id}`, start: start / 1000, end: end / 1000, limit }, signal);
  return { ...answer, data: bySpan(trace, answer.data.rows, answer.data.rows.length >= limit) };
}

export function bySpan(trace: Trace, rows: readonly LogRow[], isCut: boolean): TraceLogs {
  const spans = new Map<string, number>();
  if (rows.length > 0) for (let i = 0; i < trace.count; i++) spans.set(idOf(trace, i), i);
  const found: TraceLogs = { bySpan: new Map(), count: rows.length, isCut };
  for (const row of [...rows].reverse()) {
    const span = row.span_id === undefined ? -1 : (spans.get(row.span_id) ?? -1);
    const offset = Number(BigInt(row.timestamp_unix_nano) - trace.startNano) + (trace.shift[span] ?? 0);
    const list = found.bySpan.get(span);
    if (list) list.push({ offset, row });
    else found.bySpan.set(span, [{ offset, row }]);
  }
  return found;
}

export const bodyText = (body: unknown) => (typeof body === "string" ? body : JSON.stringify(body));

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

/** The level of a severity number: 1–4 trace … 21–24 fatal. */
export const levelOf = (severity: number) => LEVELS[Math.ceil(severity / 4) - 1] ?? "unset";
