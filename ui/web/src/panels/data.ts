// A panel's questions, asked together: series over the range, or samples at its end; rows of SQL; log
// records. One step for all queries of a panel, so that their points stand below each other.
import { ask, type Stats } from "../lib/api";
import { LIMITS } from "../lib/limits";
import { useLoad, type Loaded } from "../lib/load";
import { distinguishing, queryInstant, queryRange, shortName, type Labels, type Matrix } from "../lib/promql";
import type { SqlRows } from "../lib/schema";
import { parseDuration, range, stepFor, tick } from "../lib/time";
import { calculate } from "./calc";
import { numberOf, textOf, type Panel, type Query, type Tree } from "./model";
import type { Cell, Frame } from "./transform";
import { expand, type Around, type Env } from "./variables";

export interface NamedSeries {
  name: string;
  labels: Labels;
  values: (number | null)[];
  /** Which of the panel's queries. */
  query: number;
}

export interface LogRow {
  timestamp: string;
  timestamp_unix_nano: string;
  severity_text: string | null;
  severity_number: number | null;
  service: string | null;
  body: unknown;
}

export interface PanelData {
  times: number[];
  series: NamedSeries[];
  tables: Frame[];
  logs: LogRow[];
  warnings: string[];
  stats: Stats;
  /** Queries that are kept and cannot be answered. */
  unanswered: string[];
}

/** What a panel wants of its queries. */
export type Want = "range" | "instant";

const INSTANT = new Set(["GaugeChart", "BarChart", "PieChart"]);

export function wantOf(panel: Panel): Want {
  const { kind, spec } = panel.spec.plugin;
  if (kind === "Table") return "instant";
  const how = textOf(spec, "calculation") ?? "last-number";
  return INSTANT.has(kind) && how.startsWith("last") ? "instant" : "range";
}

const isHidden = (query: Query) => query.spec?.plugin?.spec?.hidden === true;

function stepOf(panel: Panel, env: Env, width: number): number {
  const span = range.value;
  let step = stepFor(span, Math.max(60, Math.min(width / 2, 800)));
  for (const query of panel.spec.queries ?? []) {
    const least = textOf(query.spec.plugin.spec, "minStep");
    const ms = least ? parseDuration(expand(least, { env, span, stepS: step })) : null;
    if (ms !== null) step = Math.max(step, Math.ceil(ms / 1000));
  }
  return step;
}

export function usePanelData(panel: Panel, env: Env, width: number, seen: boolean): Loaded<PanelData> & { around: Around } {
  const stepS = stepOf(panel, env, width);
  const around = { env, span: range.value, stepS };
  const queries = (panel.spec.queries ?? []).filter((query) => !isHidden(query));
  const want = wantOf(panel);
  const texts = queries.map((query) => expand(textOf(query.spec.plugin.spec, "query") ?? "", around));
  const key = seen && queries.length > 0 ? JSON.stringify([want, texts, around.span, stepS, tick.value]) : null;
  return { ...useLoad(key, (signal) => load(queries, texts, want, around, signal)), around };
}

async function load(queries: Query[], texts: string[], want: Want, around: Around, signal: AbortSignal): Promise<PanelData> {
  const data: PanelData = { times: [], series: [], tables: [], logs: [], warnings: [], stats: {}, unanswered: [] };
  const answers = await Promise.all(queries.map((query, i) => one(query, texts[i], i, want, around, signal)));
  for (const answer of answers) {
    if (answer.times && answer.times.length > data.times.length) data.times = answer.times;
    data.series.push(...(answer.series ?? []));
    if (answer.table) data.tables.push(answer.table);
    data.logs.push(...(answer.logs ?? []));
    data.warnings.push(...(answer.warnings ?? []));
    if (answer.unanswered) data.unanswered.push(answer.unanswered);
    add(data.stats, answer.stats);
  }
  if (data.series.length > LIMITS.chartSeries) {
    const all = data.series.length;
    const top = (series: NamedSeries) => calculate(series.values, "max") ?? -Infinity;
    data.series = data.series.map((series) => [top(series), series] as const).sort((a, b) => b[0] - a[0]).slice(0, LIMITS.chartSeries).map(([, series]) => series);
    data.warnings.push(`top ${LIMITS.chartSeries} by maximum of ${all} series`);
  }
  // Queries name their value columns apart where there are several.
  if (data.tables.length > 1) for (const table of data.tables) rename(table);
  return data;
}

function rename(table: Frame) {
  const to = `Value #${table.ref}`;
  if (!table.columns.includes("Value")) return;
  table.columns = table.columns.map((column) => (column === "Value" ? to : column));
  table.rows = table.rows.map(({ Value, ...row }) => ({ ...row, [to]: Value }));
}

function add(sum: Stats, more: Stats | undefined) {
  for (const key of ["rows", "bytes", "files", "ms"] as const) if (more?.[key] !== undefined) sum[key] = (sum[key] ?? 0) + more[key]!;
}

interface Part {
  times?: number[];
  series?: NamedSeries[];
  table?: Frame;
  logs?: LogRow[];
  warnings?: string[];
  stats?: Stats;
  unanswered?: string;
}

async function one(query: Query, text: string, index: number, want: Want, around: Around, signal: AbortSignal): Promise<Part> {
  const { kind, spec = {} } = query.spec.plugin;
  const { span, stepS } = around;
  const ref = textOf(spec, "refId") ?? String.fromCharCode(65 + (index % 26));
  if (kind === "PrometheusTimeSeriesQuery") {
    if (text.trim() === "") return {};
    if (want === "instant" || spec.instant === true) {
      const { data, warnings, stats } = await queryInstant(text, span.end, signal);
      const series = named(data.map(({ labels, value }) => ({ labels, values: [value] })), spec, around, index);
      return { times: [Math.floor(span.end / 1000)], series, table: tableOf(data, ref, span.end), warnings, stats };
    }
    const { data, warnings, stats } = await queryRange(text, span, stepS, signal);
    return { times: data.times, series: named(data.series, spec, around, index), warnings, stats };
  }
  if (kind === "TarnSqlQuery") {
    const at = (ms: number) => `TIMESTAMP '${new Date(ms).toISOString()}'`;
    const q = text.replace(/\$from\b/g, at(span.start)).replace(/\$to\b/g, at(span.end));
    const { data, warnings, stats } = await ask<SqlRows>("/api/v1/sql", { q }, signal);
    return { table: tableOfSql(data, ref), warnings, stats };
  }
  if (kind === "TarnLogQuery" && spec.language !== "logql") {
    const limit = Math.min(numberOf(spec, "limit") ?? 200, LIMITS.logRows);
    const { data, warnings, stats } = await ask<{ rows: LogRow[] }>("/api/v1/logs/search", { q: text, start: span.start / 1000, end: span.end / 1000, limit }, signal);
    return { logs: data.rows, warnings, stats };
  }
  return { unanswered: kind === "TarnLogQuery" ? "This panel asks in LogQL. It is kept, and not answered yet." : `Queries of kind ${kind} are kept, not run.` };
}

function named(rows: Matrix["series"], spec: Tree, around: Around, query: number): NamedSeries[] {
  const pattern = textOf(spec, "seriesNameFormat");
  const keys = distinguishing(rows.map((row) => row.labels));
  return rows.map(({ labels, values }) => {
    const name = pattern ? expand(pattern, around).replace(/\{\{\s*([\w.:-]+)\s*\}\}/g, (_, label: string) => labels[label] ?? "").trim() : "";
    return { name: name || shortName(labels, keys), labels, values, query };
  });
}

function tableOf(rows: { labels: Labels; value: number }[], ref: string, atMs: number): Frame {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
  return { ref, columns: ["Time", ...labels, "Value"], rows: rows.map((row) => ({ Time: new Date(atMs).toISOString(), ...row.labels, Value: Number.isNaN(row.value) ? null : row.value })) };
}

function tableOfSql({ columns, rows }: SqlRows, ref: string): Frame {
  const cell = (value: unknown): Cell => (value === null || typeof value === "number" || typeof value === "string" ? value : JSON.stringify(value));
  return { ref, columns, rows: rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, cell(row[i])]))) };
}
