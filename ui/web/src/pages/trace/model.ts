// A trace as columns: what every frame of a scroll reads lies in typed arrays, the spans as they were
// sent stay aside for the side panel. Spans come in depth-first order with their depth and the number
// of spans below, so that a subtree is a range.

export interface RawEvent {
  timestamp_unix_nano: string;
  offset_ns: number;
  name: string;
  attributes: Record<string, unknown>;
}

export interface RawLink {
  trace_id: string;
  span_id: string;
  attributes?: Record<string, unknown>;
}

export interface RawSpan {
  span_id: string;
  parent_span_id?: string;
  /** Why it stands at the top: `root`, `missing_parent`, `cycle`. */
  top?: string;
  depth: number;
  descendants: number;
  service: string;
  name: string;
  kind: string;
  status: string;
  status_message?: string;
  start: string;
  start_unix_nano: string;
  duration_ns: number;
  offset_ns: number;
  self_ns?: number;
  critical: boolean;
  clock_shift_ns?: number;
  problems: string[];
  resource: number;
  scope: number;
  attributes: Record<string, unknown>;
  events: RawEvent[];
  links: RawLink[];
}

export interface RawTrace {
  trace_id: string;
  start: string;
  start_unix_nano: string;
  duration_ns: number;
  root?: { service: string; name: string };
  /** Stands in place of `root` when no root is stored. */
  first?: { service: string; name: string };
  span_count: number;
  error_count: number;
  services: { name: string; span_count: number }[];
  resources: { attributes: Record<string, unknown> }[];
  scopes: { name: string; version?: string }[];
  spans: RawSpan[];
  critical_path?: { span: number; start_ns: number; end_ns: number }[];
}

export const ERROR = 1;
export const CRITICAL = 2;
export const EVENTS = 4;
/** Its parent is missing, it was part of a circle, its clock was corrected, its id is another's, too. */
export const ODD = 8;

export interface Trace {
  id: string;
  startMs: number;
  durationNs: number;
  root: { service: string; name: string };
  hasRoot: boolean;
  count: number;
  errors: number;
  services: string[];
  names: string[];
  /** ns since the start of the trace. */
  start: Float64Array;
  duration: Float64Array;
  self: Float64Array;
  depth: Uint16Array;
  /** How many spans are below. */
  below: Uint32Array;
  /** -1 at the top. */
  parent: Int32Array;
  /** Index in `services`. */
  service: Uint16Array;
  /** Index in `names`. */
  name: Uint32Array;
  flags: Uint8Array;
  /** Errors in the spans below. */
  errorsBelow: Uint32Array;
  /** The critical path: spans `pathFrom[i] .. pathFrom[i + 1]` of `path` are of span i. */
  pathFrom: Uint32Array;
  path: Float64Array;
  spans: readonly RawSpan[];
  raw: RawTrace;
}

/** Numbers texts in the order in which they come. */
class Names {
  readonly list: string[] = [];
  private readonly numbers = new Map<string, number>();

  number(text: string): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.list.push(text) - 1;
      this.numbers.set(text, number);
    }
    return number;
  }
}

/** Turns an answer of `traces/{id}` into columns. */
export function toTrace(raw: RawTrace): Trace {
  const count = raw.spans.length;
  const services = new Names();
  const names = new Names();
  const trace: Trace = {
    id: raw.trace_id, startMs: Number(BigInt(raw.start_unix_nano) / 1000n) / 1000, durationNs: raw.duration_ns,
    root: raw.root ?? raw.first ?? { service: "", name: "" }, hasRoot: raw.root !== undefined, count, errors: raw.error_count,
    services: services.list, names: names.list,
    start: new Float64Array(count), duration: new Float64Array(count), self: new Float64Array(count), depth: new Uint16Array(count),
    below: new Uint32Array(count), parent: new Int32Array(count).fill(-1), service: new Uint16Array(count), name: new Uint32Array(count),
    flags: new Uint8Array(count), errorsBelow: new Uint32Array(count), pathFrom: new Uint32Array(count + 1), path: new Float64Array(0),
    spans: raw.spans, raw,
  };
  let hasSelf = count > 0;
  for (let i = 0; i < count; i++) {
    const span = raw.spans[i];
    trace.start[i] = span.offset_ns;
    trace.duration[i] = Math.max(0, span.duration_ns);
    trace.depth[i] = span.depth;
    trace.below[i] = span.descendants;
    trace.service[i] = services.number(span.service);
    trace.name[i] = names.number(span.name);
    trace.flags[i] = flagsOf(span);
    if (span.self_ns === undefined) hasSelf = false;
    else trace.self[i] = span.self_ns;
  }
  link(trace);
  if (!hasSelf) selfTimes(trace);
  setPath(trace, raw.critical_path ?? wholePath(trace));
  return trace;
}

function flagsOf(span: RawSpan): number {
  const odd = span.top === "missing_parent" || span.top === "cycle" || span.problems.length > 0 || (span.clock_shift_ns ?? 0) !== 0;
  return (span.status === "error" ? ERROR : 0) | (span.critical ? CRITICAL : 0) | (span.events.length > 0 ? EVENTS : 0) | (odd ? ODD : 0);
}

/** Finds parents from depths, and counts errors below. */
export function link(trace: Trace) {
  const open: number[] = [];
  for (let i = 0; i < trace.count; i++) {
    const depth = Math.min(trace.depth[i], open.length);
    open.length = depth;
    trace.parent[i] = depth > 0 ? open[depth - 1] : -1;
    open.push(i);
  }
  for (let i = trace.count - 1; i >= 0; i--) {
    const parent = trace.parent[i];
    if (parent >= 0) trace.errorsBelow[parent] += trace.errorsBelow[i] + (trace.flags[i] & ERROR);
  }
}

/** Self time: what no child covers. Children come by start, so one cursor per parent is enough. */
export function selfTimes(trace: Trace) {
  const { start, duration, parent, self, count } = trace;
  const cursor = Float64Array.from(start);
  self.set(duration);
  for (let i = 0; i < count; i++) {
    const p = parent[i];
    if (p < 0) continue;
    const from = Math.max(start[i], cursor[p]);
    const to = Math.min(start[i] + duration[i], start[p] + duration[p]);
    if (to <= from) continue;
    self[p] -= to - from;
    cursor[p] = to;
  }
}

/** Without segments: the whole of each span that is on the path. */
function wholePath(trace: Trace): { span: number; start_ns: number; end_ns: number }[] {
  const path = [];
  for (let i = 0; i < trace.count; i++) {
    if (trace.flags[i] & CRITICAL) path.push({ span: i, start_ns: trace.start[i], end_ns: trace.start[i] + trace.duration[i] });
  }
  return path;
}

function setPath(trace: Trace, segments: readonly { span: number; start_ns: number; end_ns: number }[]) {
  const known = segments.filter(({ span }) => span >= 0 && span < trace.count).sort((a, b) => a.span - b.span || a.start_ns - b.start_ns);
  trace.path = new Float64Array(known.length * 2);
  known.forEach(({ span, start_ns, end_ns }, i) => {
    trace.flags[span] |= CRITICAL;
    trace.pathFrom[span + 1]++;
    trace.path[2 * i] = start_ns;
    trace.path[2 * i + 1] = end_ns;
  });
  for (let i = 0; i < trace.count; i++) trace.pathFrom[i + 1] += trace.pathFrom[i];
}

export const serviceOf = (trace: Trace, span: number) => trace.services[trace.service[span]];
export const nameOf = (trace: Trace, span: number) => trace.names[trace.name[span]];
export const endOf = (trace: Trace, span: number) => trace.start[span] + trace.duration[span];

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

/** What is not as it should be, in words. */
export function remarks(trace: Trace): string[] {
  const count = (test: (span: RawSpan) => boolean) => trace.spans.reduce((sum, span) => sum + Number(test(span)), 0);
  const said: string[] = [];
  const say = (n: number, one: string, many: string) => n > 0 && said.push(n === 1 ? one : many.replace("#", String(n)));
  if (!trace.hasRoot && trace.count > 0) said.push("The root span is not stored: the trace may still be running, its sender may have been sampled or refused, or retention removed it. Load the page again in a minute; times below are those of the spans that are here.");
  say(count((span) => span.top === "missing_parent"), "One span's parent is not stored; the span stands at the top.", "# spans have a parent that is not stored; they stand at the top.");
  say(count((span) => span.top === "cycle"), "Spans name each other as parents; the circle is cut at the earliest.", "# circles of parents are cut, each at its earliest span.");
  say(count((span) => (span.clock_shift_ns ?? 0) !== 0), "One span is shown at a corrected time: its clock differs from its parent's.", "# spans are shown at corrected times: the clocks of their services differ from those of their parents.");
  say(count((span) => span.problems.includes("duplicate_id")), "One span has an id that another span has, too.", "# spans share their id with another span that differs.");
  return said;
}
