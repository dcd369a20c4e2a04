// A trace as columns: what every frame of a scroll reads lies in typed arrays. Spans come in depth-first
// order with their depth, so that a subtree is a range. What is not drawn (attributes, events' texts)
// is asked for by span: details.ts.
import { column, type Frame } from "../../lib/frame";

export interface TraceSummary {
  trace_id: string;
  start_unix_nano: string;
  duration_ns: number;
  root?: { service: string; name: string };
  /** Stands in place of `root` when no root is stored. */
  first?: { service: string; name: string };
  span_count: number;
  error_count: number;
}

export const ERROR = 1;
export const CRITICAL = 2;
export const EVENTS = 4;
/** Its parent is missing, it was part of a circle, its clock was corrected, its id is another's, too. */
export const ODD = 8;

export const MISSING_PARENT = 2;
export const CUT_CIRCLE = 3;
export const DUPLICATE_ID = 4;
const PROBLEMS = ["its end is before its start", "it was part of a circle of parents", "another span has the same id", "parts of it were cut off when it was received"];
const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const STATUS_ERROR = 2;

export interface Trace {
  id: string;
  startNano: bigint;
  startMs: number;
  durationNs: number;
  root: { service: string; name: string };
  hasRoot: boolean;
  /** Spans that are here. */
  count: number;
  /** Spans that are stored. */
  stored: number;
  errors: number;
  services: string[];
  names: string[];
  /** ns since the start of the trace. */
  start: Float64Array;
  duration: Float64Array;
  self: Float64Array;
  depth: Uint16Array;
  /** How many of the spans that are here are below. */
  below: Uint32Array;
  /** -1 at the top. */
  parent: Int32Array;
  /** Index in `services`. */
  service: Uint16Array;
  /** Index in `names`. */
  name: Uint32Array;
  kind: Uint8Array;
  top: Uint8Array;
  problems: Uint8Array;
  /** ns that were added to its start, because its clock is wrong. */
  shift: Float64Array;
  flags: Uint8Array;
  /** Errors in the spans below. */
  errorsBelow: Uint32Array;
  /** The critical path: segments `pathFrom[i] .. pathFrom[i + 1]` of `path` (start, end) are of span i. */
  pathFrom: Uint32Array;
  path: Float64Array;
  /** Events: `eventFrom[i] .. eventFrom[i + 1]` are of span i. */
  eventFrom: Uint32Array;
  eventTime: Float64Array;
  eventName: Uint32Array;
  eventNames: string[];
  idHigh: Float64Array;
  idLow: Float64Array;
}

/** Turns an answer of `traces/{id}` into columns of the smallest types that hold them. */
export function toTrace(frame: Frame<TraceSummary>): Trace {
  const { data, dictionaries } = frame;
  const of = (name: string) => column(frame, name);
  const count = of("start").length;
  const trace: Trace = {
    id: data.trace_id, startNano: BigInt(data.start_unix_nano), startMs: Number(BigInt(data.start_unix_nano) / 1000n) / 1000, durationNs: data.duration_ns,
    root: data.root ?? data.first ?? { service: "", name: "" }, hasRoot: data.root !== undefined, count, stored: data.span_count, errors: data.error_count,
    services: dictionaries.service ?? [], names: dictionaries.name ?? [], eventNames: dictionaries.event ?? [],
    start: of("start"), duration: of("duration").map((ns) => Math.max(0, ns)), self: of("self"), shift: of("clock_shift"), idHigh: of("span_id_high"), idLow: of("span_id_low"),
    depth: Uint16Array.from(of("depth")), parent: Int32Array.from(of("parent")), service: Uint16Array.from(of("service")), name: Uint32Array.from(of("name")),
    kind: Uint8Array.from(of("kind")), top: Uint8Array.from(of("top")), problems: Uint8Array.from(of("problems")),
    below: new Uint32Array(count), flags: new Uint8Array(count), errorsBelow: new Uint32Array(count),
    pathFrom: new Uint32Array(count + 1), path: new Float64Array(0), eventFrom: new Uint32Array(count + 1), eventTime: new Float64Array(0), eventName: new Uint32Array(0),
  };
  const [status, critical, events] = [of("status"), of("critical"), of("events")];
  for (let i = 0; i < count; i++) {
    const isOdd = trace.top[i] >= MISSING_PARENT || trace.problems[i] !== 0 || trace.shift[i] !== 0;
    trace.flags[i] = (status[i] === STATUS_ERROR ? ERROR : 0) | (critical[i] === 1 ? CRITICAL : 0) | (events[i] > 0 ? EVENTS : 0) | (isOdd ? ODD : 0);
  }
  for (let i = count - 1; i >= 0; i--) {
    const parent = trace.parent[i];
    if (parent < 0) continue;
    trace.below[parent] += trace.below[i] + 1;
    trace.errorsBelow[parent] += trace.errorsBelow[i] + (trace.flags[i] & ERROR);
  }
  const byEvent = bucket(of("event.span"), trace.eventFrom, count);
  trace.eventTime = Float64Array.from(byEvent, (at) => of("event.time")[at]);
  trace.eventName = Uint32Array.from(byEvent, (at) => of("event.name")[at]);
  const bySegment = bucket(of("critical.span"), trace.pathFrom, count);
  const [from, to] = [of("critical.start"), of("critical.end")];
  trace.path = new Float64Array(bySegment.length * 2);
  bySegment.forEach((at, i) => {
    trace.path[2 * i] = from[at];
    trace.path[2 * i + 1] = to[at];
  });
  return trace;
}

/** Orders rows by their span; `starts[i] .. starts[i + 1]` become those of span i. */
function bucket(spans: Float64Array, starts: Uint32Array, count: number): Uint32Array {
  const rows = Uint32Array.from(spans.keys()).filter((row) => spans[row] >= 0 && spans[row] < count);
  rows.sort((a, b) => spans[a] - spans[b] || a - b);
  for (const row of rows) starts[spans[row] + 1]++;
  for (let i = 0; i < count; i++) starts[i + 1] += starts[i];
  return rows;
}

export const serviceOf = (trace: Trace, span: number) => trace.services[trace.service[span]] ?? "";
export const nameOf = (trace: Trace, span: number) => trace.names[trace.name[span]] ?? "";
export const kindOf = (trace: Trace, span: number) => KINDS[trace.kind[span]] ?? "unspecified";
export const endOf = (trace: Trace, span: number) => trace.start[span] + trace.duration[span];

const hex = (half: number) => half.toString(16).padStart(8, "0");
export const idOf = (trace: Trace, span: number) => hex(trace.idHigh[span]) + hex(trace.idLow[span]);

/** The span of an id, -1 when it is not here. */
export function spanOf(trace: Trace, id: string): number {
  if (!/^[0-9a-f]{16}$/i.test(id)) return -1;
  const [high, low] = [parseInt(id.slice(0, 8), 16), parseInt(id.slice(8), 16)];
  for (let i = 0; i < trace.count; i++) if (trace.idLow[i] === low && trace.idHigh[i] === high) return i;
  return -1;
}

/** What each service took of the trace: spans, errors, self time, time on the critical path. */
export interface Share {
  service: string;
  spans: number;
  errors: number;
  selfNs: number;
  pathNs: number;
}

export function shares(trace: Trace): Share[] {
  const list: Share[] = trace.services.map((service) => ({ service, spans: 0, errors: 0, selfNs: 0, pathNs: 0 }));
  for (let i = 0; i < trace.count; i++) {
    const share = list[trace.service[i]];
    share.spans++;
    share.errors += trace.flags[i] & ERROR;
    share.selfNs += trace.self[i];
    for (let s = trace.pathFrom[i]; s < trace.pathFrom[i + 1]; s++) share.pathNs += trace.path[2 * s + 1] - trace.path[2 * s];
  }
  return list.sort((a, b) => b.pathNs - a.pathNs || b.selfNs - a.selfNs);
}

/** What is odd about one span, in words. */
export function oddities(trace: Trace, span: number): string[] {
  const said: string[] = [];
  if (trace.top[span] === MISSING_PARENT) said.push("its parent is not stored");
  if (trace.top[span] === CUT_CIRCLE) said.push("its parent is below it: the circle is cut here");
  if (trace.shift[span] !== 0) said.push("its clock differs from its parent's");
  PROBLEMS.forEach((text, bit) => (trace.problems[span] & (1 << bit)) !== 0 && !(bit === 1 && trace.top[span] === CUT_CIRCLE) && said.push(text));
  return said;
}

/** What is not as it should be in the whole trace, and what that means for who reads it. */
export function remarks(trace: Trace): string[] {
  const said: string[] = [];
  const say = (n: number, one: string, many: string) => n > 0 && said.push(n === 1 ? one : many.replace("#", String(n)));
  const count = (test: (span: number) => boolean) => {
    let sum = 0;
    for (let i = 0; i < trace.count; i++) if (test(i)) sum++;
    return sum;
  };
  if (!trace.hasRoot && trace.count > 0) said.push("The root span is not stored: the trace may still be running, its sender may have been sampled or refused, or retention removed it. Load the page again in a minute; times are those of the spans that are here.");
  say(trace.stored - trace.count, "One span is left out: the page draws the 100 000 that are nearest to the root.", "# spans are left out: the page draws the 100 000 that are nearest to the root.");
  say(count((i) => trace.top[i] === MISSING_PARENT), "One span's parent is not stored; the span stands at the top.", "# spans have a parent that is not stored; they stand at the top.");
  say(count((i) => trace.top[i] === CUT_CIRCLE), "Spans name each other as parents; the circle is cut at the earliest.", "# circles of parents are cut, each at its earliest span.");
  say(count((i) => trace.shift[i] !== 0), "One span is shown at a corrected time: its clock differs from its parent's.", "# spans are shown at corrected times: the clocks of their services differ from those of their parents.");
  say(count((i) => (trace.problems[i] & DUPLICATE_ID) !== 0), "One span has an id that another span has, too.", "# spans share their id with another span that differs.");
  return said;
}
