// Which spans are rows: what is folded is skipped, what a filter leaves out becomes one row that counts.
import { CRITICAL, ERROR, spanOf, type Trace } from "./model";

export interface Rows {
  /** The span of each row; `~span` where the row stands for spans that are left out, `span` the first. */
  span: Int32Array;
  /** How many spans a row leaves out: below it when folded, in its place when filtered. */
  hidden: Uint32Array;
}

/** Lists the rows; `keep` says which spans a filter wants (with all their ancestors). */
export function visibleRows(trace: Trace, folded: Uint8Array, keep: Uint8Array | null): Rows {
  const span = new Int32Array(trace.count);
  const hidden = new Uint32Array(trace.count);
  let rows = 0;
  let left = -1;
  for (let i = 0; i < trace.count; ) {
    const size = trace.below[i] + 1;
    if (keep && !keep[i]) {
      // Neighbours that are left out share a row while they have one parent.
      if (left >= 0 && rows - 1 === left && trace.parent[~span[left]] === trace.parent[i]) hidden[left] += size;
      else {
        left = rows;
        span[rows] = ~i;
        hidden[rows++] = size;
      }
      i += size;
      continue;
    }
    span[rows] = i;
    if (folded[i] && size > 1) {
      hidden[rows++] = size - 1;
      i += size;
    } else {
      rows++;
      i++;
    }
  }
  return { span: span.subarray(0, rows), hidden: hidden.subarray(0, rows) };
}

/** Marks spans that pass, and their ancestors. */
export function withAncestors(trace: Trace, passes: (span: number) => boolean): Uint8Array {
  const keep = new Uint8Array(trace.count);
  for (let i = trace.count - 1; i >= 0; i--) {
    if (!keep[i] && passes(i)) keep[i] = 1;
    if (keep[i] && trace.parent[i] >= 0) keep[trace.parent[i]] = 1;
  }
  return keep;
}

export const criticalAndErrors = (trace: Trace) => withAncestors(trace, (i) => (trace.flags[i] & (CRITICAL | ERROR)) !== 0);

/** Folds what stays inside one service: what is left are the calls between services. */
export function foldServices(trace: Trace): Uint8Array {
  const alone = new Uint8Array(trace.count).fill(1);
  for (let i = trace.count - 1; i >= 0; i--) {
    const parent = trace.parent[i];
    if (parent >= 0 && (!alone[i] || trace.service[parent] !== trace.service[i])) alone[parent] = 0;
  }
  return alone;
}

/** Folds everything below a depth. */
export function foldBelow(trace: Trace, depth: number): Uint8Array {
  const folded = new Uint8Array(trace.count);
  for (let i = 0; i < trace.count; i++) folded[i] = Number(trace.depth[i] >= depth);
  return folded;
}

/** Opens all ancestors of a span; returns whether one was folded. */
export function reveal(trace: Trace, folded: Uint8Array, span: number): boolean {
  let changed = false;
  for (let at = trace.parent[span]; at >= 0; at = trace.parent[at]) {
    if (folded[at]) changed = true;
    folded[at] = 0;
  }
  return changed;
}

/** The row of a span, or of what stands for it; rows are in the order of spans. */
export function rowOf(rows: Rows, span: number): number {
  let [low, high] = [0, rows.span.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const at = rows.span[middle];
    if ((at < 0 ? ~at : at) <= span) low = middle;
    else high = middle - 1;
  }
  return rows.span.length === 0 ? -1 : low;
}

/** The next span after `from` that passes, from the start again at the end; -1 when none does. */
export function nextWhere(count: number, from: number, step: 1 | -1, passes: (span: number) => boolean): number {
  for (let n = 1; n <= count; n++) {
    const at = (((from + step * n) % count) + count) % count;
    if (passes(at)) return at;
  }
  return -1;
}

/** What is searched of a span besides its bar. */
export interface Searchable {
  status_message?: string;
  attributes?: object;
  events?: readonly object[];
  resource: object;
}

/** Finds a text in services, names, ids and, where they are known, messages, attributes and events; case does not matter. */
export function findSpans(trace: Trace, text: string, details: readonly Searchable[] | null): Uint8Array {
  const found = new Uint8Array(trace.count);
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return found;
  const [services, names] = [trace.services, trace.names].map((list) => list.map((name) => name.toLowerCase().includes(wanted)));
  const resources = new Map<object, boolean>();
  const isInside = (value: object) => JSON.stringify(value).toLowerCase().includes(wanted);
  const isOfResource = (resource: object) => {
    let known = resources.get(resource);
    if (known === undefined) resources.set(resource, (known = isInside(resource)));
    return known;
  };
  const byId = spanOf(trace, wanted);
  for (let i = 0; i < trace.count; i++) {
    const detail = details?.[i];
    const isFound = services[trace.service[i]] || names[trace.name[i]] || i === byId
      || (detail && (detail.status_message?.toLowerCase().includes(wanted) || (detail.attributes && isInside(detail.attributes)) || (detail.events?.length && isInside(detail.events)) || isOfResource(detail.resource)));
    found[i] = Number(Boolean(isFound));
  }
  return found;
}
