// Traces for tests, a line a span: `depth service start duration flags`, flags of e error, c critical,
// m missing parent, s shifted clock.
import { toTrace, type Trace, type TraceSummary } from "../src/pages/trace/model";
import { frameOf } from "./frames";

export interface More extends Partial<TraceSummary> {
  path?: [span: number, start: number, end: number][];
  events?: [span: number, time: number, name: number][];
}

export function traceOf(lines: readonly string[], { path = [], events = [], ...more }: More = {}): Trace {
  const rows = lines.map((line) => line.split(" ")).map(([depth, service, start, duration, flags = ""]) => ({ depth: Number(depth), service, start: Number(start), duration: Number(duration), flags }));
  const services = [...new Set(rows.map((row) => row.service))];
  const open: number[] = [];
  const parents = rows.map(({ depth }, i) => {
    open.length = depth;
    return (open[depth] = i) && depth > 0 ? open[depth - 1] : -1;
  });
  const has = (flag: string) => rows.map(({ flags }) => Number(flags.includes(flag)));
  const column = (name: string, values: readonly number[], dictionary?: string) => ({ name, values, dictionary });
  const data: TraceSummary = {
    trace_id: "00ab", start_unix_nano: "1795305575641861790", duration_ns: 100, root: { service: "a", name: "op-a" }, span_count: rows.length,
    error_count: has("e").reduce((sum, one) => sum + one, 0), ...more,
  };
  return toTrace(frameOf<TraceSummary>({
    columns: [
      column("start", rows.map((row) => row.start)), column("duration", rows.map((row) => row.duration)), column("self", rows.map((row) => row.duration)),
      column("depth", rows.map((row) => row.depth)), column("parent", parents), column("kind", rows.map(() => 2)), column("status", has("e").map((e) => 2 * e)),
      column("top", rows.map((row) => (row.flags.includes("m") ? 2 : row.depth === 0 ? 1 : 0))), column("critical", has("c")), column("problems", rows.map(() => 0)),
      column("clock_shift", has("s")), column("events", rows.map((_, i) => events.filter(([span]) => span === i).length)),
      column("span_id_high", rows.map(() => 0xabcdef01)), column("span_id_low", rows.map((_, i) => i)),
      column("service", rows.map((row) => services.indexOf(row.service)), "service"), column("name", rows.map((row) => services.indexOf(row.service)), "name"),
      column("event.span", events.map(([span]) => span)), column("event.time", events.map(([, time]) => time)), column("event.name", events.map(([, , name]) => name), "event"),
      column("critical.span", path.map(([span]) => span)), column("critical.start", path.map(([, start]) => start)), column("critical.end", path.map(([, , end]) => end)),
    ],
    dictionaries: { service: services, name: services.map((service) => `op-${service}`), event: ["exception", "retry"] },
    data,
  }));
}
