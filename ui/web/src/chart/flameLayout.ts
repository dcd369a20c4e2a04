// Rows of a flame graph over time: a span lies below its parent, in the first row where nothing else is at
// that time. Spans are taken by their start, so the last end of each row says whether it is free.

/** Rows at most; what is more parallel than that lies on the last one. */
export const FLAME_ROWS = 500;

export interface FlameRows {
  row: Uint16Array;
  count: number;
}

export function flameRows(start: Float64Array, duration: Float64Array, parent: Int32Array): FlameRows {
  const count = start.length;
  const order = Uint32Array.from(start.keys()).sort((a, b) => start[a] - start[b] || a - b);
  const row = new Uint16Array(count);
  const placed = new Uint8Array(count);
  const ends: number[] = [];
  for (const span of order) {
    const above = parent[span];
    // A child that begins before its parent (a wrong clock) has no row above it yet.
    let at = above >= 0 && placed[above] ? row[above] + 1 : 0;
    while (at < ends.length && ends[at] > start[span]) at++;
    at = Math.min(at, FLAME_ROWS - 1);
    row[span] = at;
    placed[span] = 1;
    while (ends.length <= at) ends.push(-Infinity);
    ends[at] = Math.max(ends[at], start[span] + duration[span]);
  }
  return { row, count: ends.length };
}

/** The span at a place, the one drawn last where several are; -1 where none is. */
export function spanAt(rows: FlameRows, start: Float64Array, duration: Float64Array, row: number, time: number, slack: number): number {
  let found = -1;
  for (let i = 0; i < start.length; i++) {
    if (rows.row[i] === row && time >= start[i] - slack && time <= start[i] + duration[i] + slack && (found < 0 || duration[i] <= duration[found])) found = i;
  }
  return found;
}
