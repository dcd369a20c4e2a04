// The notebook: cells of SQL and PromQL, kept in the URL; what a result looks like as a chart.
import type { SqlRows } from "../../lib/schema";
import type { Matrix } from "../../lib/promql";
import type { Span } from "../../lib/time";

export interface Cell {
  language: "sql" | "promql";
  text: string;
}

const FIRST: Cell = {
  language: "sql",
  text: `SELECT time_bucket('1 minute', timestamp) AS time, severity_text, count(*) AS records
FROM logs
WHERE timestamp >= $from AND timestamp < $to
GROUP BY 1, 2 ORDER BY 1`,
};

/** Reads the cells of a URL: `q` alone is one cell. Cells that are no cells are left out. */
export function readCells(cells: string, q: string): Cell[] {
  if (cells) {
    try {
      const parsed: unknown = JSON.parse(cells);
      if (Array.isArray(parsed)) {
        const good = parsed.filter((one): one is [string, string] => Array.isArray(one) && (one[0] === "sql" || one[0] === "promql") && typeof one[1] === "string");
        if (good.length > 0) return good.slice(0, 20).map(([language, text]) => ({ language: language as Cell["language"], text }));
      }
    } catch {
      // Cut off somewhere: begin anew.
    }
  }
  return [q ? { language: "sql", text: q } : FIRST];
}

export const writeCells = (cells: readonly Cell[]) => JSON.stringify(cells.map(({ language, text }) => [language, text]));

/** Puts the time range in the place of `$from` and `$to`. */
export function withRange(text: string, span: Span): string {
  const time = (ms: number) => `TIMESTAMP '${new Date(ms).toISOString()}'`;
  return text.replace(/\$from\b/g, time(span.start)).replace(/\$to\b/g, time(span.end));
}

const NUMBER = /^(integer|bigint|double|float|decimal|smallint|tinyint|real)/;

export interface Picture {
  data: Matrix;
  valueNames: string[];
}

/** A result with a time and a number is a chart: other texts name its series. Null where it is not. */
export function pictureOf({ columns, types, rows }: SqlRows): Picture | null {
  const time = types.findIndex((type) => type.startsWith("timestamp"));
  const numbers = types.map((type, i) => (NUMBER.test(type) ? i : -1)).filter((i) => i >= 0);
  const texts = types.map((type, i) => (type === "text" ? i : -1)).filter((i) => i >= 0);
  if (time < 0 || numbers.length === 0 || rows.length < 2 || texts.length > 3 || numbers.length + texts.length + 1 < columns.length) return null;
  const at = new Map<number, number>();
  const stamps = [...new Set(rows.map((row) => Date.parse(String(row[time])) / 1000))].filter((t) => !Number.isNaN(t)).sort((a, b) => a - b);
  stamps.forEach((t, i) => at.set(t, i));
  const series = new Map<string, { labels: Record<string, string>; values: (number | null)[] }>();
  for (const row of rows) {
    const place = at.get(Date.parse(String(row[time])) / 1000);
    if (place === undefined) continue;
    for (const number of numbers) {
      const labels = Object.fromEntries(texts.map((i) => [columns[i], String(row[i] ?? "")]));
      if (numbers.length > 1) labels.column = columns[number];
      const key = JSON.stringify(labels);
      const one = series.get(key) ?? { labels, values: new Array<number | null>(stamps.length).fill(null) };
      one.values[place] = row[number] === null ? null : Number(row[number]);
      series.set(key, one);
      if (series.size > 1000) return null;
    }
  }
  return stamps.length < 2 ? null : { data: { times: stamps, series: [...series.values()] }, valueNames: numbers.map((i) => columns[i]) };
}

/** A value as a cell of a table shows it. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** RFC 4180. A text that a spreadsheet would run as a formula is kept a text. */
export function csvOf({ columns, rows }: SqlRows): string {
  const field = (text: string) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-?[\d.]+$/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  };
  return [columns, ...rows.map((row) => row.map(cellText))].map((row) => row.map(field).join(",")).join("\r\n");
}
