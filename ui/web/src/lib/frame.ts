// The column frame: numbers as typed arrays need them, so that nothing is parsed before it is drawn.
// u32 length of the header · header, JSON, padded to a multiple of 8 · columns of f64, little-endian.
import type { Stats } from "./api";

export const FRAME_TYPE = "application/vnd.tarn.frame";

export interface FrameColumn {
  name: string;
  labels?: Record<string, string>;
  unit?: string;
  /** Its values number the entries of this dictionary; -1 is none. */
  dictionary?: string;
  values: Float64Array;
}

export interface Frame<T = unknown> {
  columns: FrameColumn[];
  dictionaries: Record<string, string[]>;
  data: T;
  warnings: string[];
  stats?: Stats;
}

interface Header {
  version: number;
  columns: { name: string; labels?: Record<string, string>; unit?: string; dictionary?: string; offset: number; length: number }[];
  dictionaries?: Record<string, string[]>;
  data?: unknown;
  warnings?: string[];
  stats?: Stats;
}

/** Reads a frame; the columns are views into the buffer. What is cut off or of another version is refused. */
export function parseFrame<T>(buffer: ArrayBuffer): Frame<T> {
  if (buffer.byteLength < 4) throw broken("it is shorter than its head");
  const length = new DataView(buffer).getUint32(0, true);
  const from = 4 + length;
  if (from > buffer.byteLength || from % 8 !== 0) throw broken("its head is cut off");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Header;
  if (header.version !== 1) throw broken(`its version is ${header.version}; load the page again`);
  const columns = header.columns.map(({ offset, length: count, ...column }) => {
    if (from + offset + count * 8 > buffer.byteLength) throw broken(`column ${column.name} is cut off`);
    return { ...column, values: new Float64Array(buffer, from + offset, count) };
  });
  return { columns, dictionaries: header.dictionaries ?? {}, data: header.data as T, warnings: header.warnings ?? [], stats: header.stats };
}

const broken = (why: string) => new Error(`the answer cannot be read: ${why}`);

/** Finds a column by name; a frame without it has nothing of the kind. */
export function column(frame: Frame, name: string): Float64Array {
  return frame.columns.find((one) => one.name === name)?.values ?? new Float64Array(0);
}
