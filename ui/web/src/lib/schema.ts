// The tables and columns that SQL sees, asked of the server once.
import { ask } from "./api";

export interface Column {
  name: string;
  type: string;
}

export type Schema = Map<string, Column[]>;

export interface SqlRows {
  columns: string[];
  types: string[];
  rows: unknown[][];
}

let loaded: Promise<Schema> | undefined;

export function loadSchema(): Promise<Schema> {
  loaded ??= ask<SqlRows>("/api/v1/sql", { q: "SELECT table_name, column_name, data_type FROM information_schema.columns ORDER BY table_name, ordinal_position" }).then(({ data }) => {
    const schema: Schema = new Map();
    for (const [table, name, type] of data.rows as [string, string, string][]) {
      const columns = schema.get(table) ?? [];
      columns.push({ name, type: plain(type) });
      schema.set(table, columns);
    }
    return schema;
  });
  loaded.catch(() => (loaded = undefined));
  return loaded;
}

/** `Dictionary(Int32, Utf8)` is text to a person. */
function plain(type: string): string {
  if (/^(Dictionary|Utf8|LargeUtf8)/.test(type)) return "text";
  if (/^Timestamp/.test(type)) return "timestamp";
  if (/^Map/.test(type)) return "map";
  if (/^U?Int/.test(type)) return "integer";
  if (/^Float/.test(type)) return "double";
  if (/Binary/.test(type)) return "bytes";
  if (/^(List|LargeList)/.test(type)) return "list";
  return type.toLowerCase();
}
