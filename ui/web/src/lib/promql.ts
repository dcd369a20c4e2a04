// PromQL over HTTP, aligned to the times of a chart.
import { ask, type Answer } from "./api";
import type { Span } from "./time";

export type Labels = Record<string, string>;

export interface Series {
  labels: Labels;
  /** One value per time, null where there is none. */
  values: (number | null)[];
}

export interface Matrix {
  /** Times in seconds, ascending. */
  times: number[];
  series: Series[];
}

export interface Sample {
  labels: Labels;
  value: number;
}

interface Result {
  resultType: "matrix" | "vector" | "scalar" | "string";
  result: { metric: Labels; values?: [number, string][]; value?: [number, string]; histograms?: unknown; histogram?: unknown }[] | [number, string];
}

/** Asks over a range with a step in seconds; both ends lie on multiples of it, so refreshing changes no point. */
export async function queryRange(query: string, span: Span, stepS: number, signal?: AbortSignal): Promise<Answer<Matrix>> {
  const start = Math.floor(span.start / 1000 / stepS) * stepS;
  const end = Math.floor(span.end / 1000 / stepS) * stepS;
  const answer = await ask<Result>("/api/v1/query_range", { query, start, end, step: stepS }, signal);
  const count = Math.round((end - start) / stepS) + 1;
  const times = Array.from({ length: count }, (_, i) => start + i * stepS);
  const rows = answer.data.result as { metric: Labels; values?: [number, string][] }[];
  const series = rows.filter((row) => row.values).map((row) => {
    const values = new Array<number | null>(count).fill(null);
    for (const [at, text] of row.values ?? []) {
      const value = parseValue(text);
      values[Math.round((at - start) / stepS)] = Number.isNaN(value) ? null : value;
    }
    return { labels: row.metric, values };
  });
  return { ...answer, data: { times, series } };
}

/** Asks at one time (ms). */
export async function queryInstant(query: string, atMs: number, signal?: AbortSignal): Promise<Answer<Sample[]>> {
  const answer = await ask<Result>("/api/v1/query", { query, time: atMs / 1000 }, signal);
  const { resultType, result } = answer.data;
  if (resultType === "scalar" || resultType === "string") {
    const [, value] = result as [number, string];
    return { ...answer, data: [{ labels: {}, value: parseValue(value) }] };
  }
  const rows = result as { metric: Labels; value?: [number, string] }[];
  return { ...answer, data: rows.filter((row) => row.value).map((row) => ({ labels: row.metric, value: parseValue(row.value![1]) })) };
}

export const parseValue = (text: string) => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text));

/** `name{a="b"}`, as PromQL writes it. */
export function seriesName(labels: Labels): string {
  const { __name__: name = "", ...rest } = labels;
  const inner = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(", ");
  return inner ? `${name}{${inner}}` : name || "{}";
}

/** The labels in which series differ: what a legend needs to say. */
export function distinguishing(all: readonly Labels[]): string[] {
  const keys = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...keys].filter((key) => all.some((labels) => labels[key] !== all[0][key]));
}

/** A short name of a series: the values of the labels in which it differs. */
export function shortName(labels: Labels, keys: readonly string[]): string {
  const parts = keys.filter((key) => labels[key] !== undefined).map((key) => labels[key]);
  return parts.length > 0 ? parts.join(" ") : seriesName(labels);
}

/** A label value inside a PromQL string. */
export const quote = (text: string) => JSON.stringify(text);

/** Puts durations in the place of Grafana's words for them: `$__rate_interval` and its kin. */
export function expandMacros(query: string, span: Span, stepS: number): string {
  if (!query.includes("$__")) return query;
  const ms = span.end - span.start;
  // Four scrapes of 15 s, or the step and one scrape: a rate needs two samples wherever it stands.
  const rate = Math.max(60, stepS + 15);
  const words: Record<string, string> = {
    __rate_interval: `${rate}s`,
    __interval: `${stepS}s`,
    __interval_ms: String(stepS * 1000),
    __auto: `${stepS}s`,
    __range: `${Math.round(ms / 1000)}s`,
    __range_s: String(Math.round(ms / 1000)),
    __range_ms: String(ms),
  };
  return query.replace(/\$(?:\{(__\w+)\}|(__\w+))/g, (whole, braced: string, bare: string) => words[braced ?? bare] ?? whole);
}
