// Frames as the server writes them, for tests.
import { parseFrame, type Frame } from "../src/lib/frame";

export interface Parts {
  columns: { name: string; values: readonly number[]; dictionary?: string }[];
  dictionaries?: Record<string, string[]>;
  data?: unknown;
}

export function encodeFrame({ columns, ...rest }: Parts, version = 1): ArrayBuffer {
  let offset = 0;
  const heads = columns.map(({ values, ...column }) => {
    const head = { ...column, offset, length: values.length };
    offset += values.length * 8;
    return head;
  });
  const text = new TextEncoder().encode(JSON.stringify({ version, columns: heads, ...rest }));
  const length = Math.ceil((text.length + 4) / 8) * 8 - 4;
  const buffer = new ArrayBuffer(4 + length + offset);
  new DataView(buffer).setUint32(0, length, true);
  new Uint8Array(buffer, 4, length).fill(32).set(text);
  columns.forEach(({ values }, i) => new Float64Array(buffer, 4 + length + heads[i].offset, values.length).set(values));
  return buffer;
}

export const frameOf = <T>(parts: Parts): Frame<T> => parseFrame<T>(encodeFrame(parts));
