// One page of rows, newest first whichever way it was asked for.
import { ask } from "../../lib/api";
import { bounds, idTime, rowId, type LogRow, type Question } from "./model";
import type { Fetched } from "./store";
import type { Ask } from "./window";

interface Found {
  rows: LogRow[];
  next_cursor: string | null;
}

export async function fetchPage(question: Question, page: Ask, limit: number, signal: AbortSignal): Promise<Fetched> {
  const { direction, start, end, cursor } = page;
  const answer = await ask<Found>("/api/v1/logs/search", { ...bounds({ ...question, start, end }), limit, direction: direction === "forward" ? direction : undefined, cursor }, signal);
  const { rows, next_cursor } = answer.data;
  return { rows: direction === "forward" ? newestFirst(rows) : rows, next: next_cursor, stats: answer.stats, warnings: answer.warnings };
}

function newestFirst(rows: LogRow[]): LogRow[] {
  const [first, last] = [rows[0], rows[rows.length - 1]];
  return first && BigInt(first.timestamp_unix_nano) <= BigInt(last.timestamp_unix_nano) ? rows.reverse() : rows;
}

/** Finds a record by the name that links have for it, whatever is searched for. */
export async function findRow(id: string, signal: AbortSignal): Promise<LogRow | undefined> {
  const ms = idTime(id);
  if (ms === null) return undefined;
  const { data } = await ask<Found>("/api/v1/logs/search", { ...bounds({ q: "", start: ms, end: ms + 1 }), limit: 1000 }, signal);
  return data.rows.find((row) => rowId(row) === id);
}
