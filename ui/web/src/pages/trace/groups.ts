// The operations of a trace, and who calls whom: its spans summed up.
import { ERROR, serviceOf, type Trace } from "./model";

export interface Group {
  service: string;
  name: string;
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
  maxNs: number;
  pathNs: number;
  /** The span that took longest. */
  slowest: number;
}

export type Column = "spans" | "errors" | "totalNs" | "selfNs" | "maxNs" | "pathNs";

/** Sums spans by service and name. */
export function groups(trace: Trace): Group[] {
  const found = new Map<number, Group>();
  for (let i = 0; i < trace.count; i++) {
    const key = trace.service[i] * 0x1_0000_0000 + trace.name[i];
    let group = found.get(key);
    if (!group) {
      group = { service: serviceOf(trace, i), name: trace.names[trace.name[i]], spans: 0, errors: 0, totalNs: 0, selfNs: 0, maxNs: -1, pathNs: 0, slowest: i };
      found.set(key, group);
    }
    group.spans++;
    group.errors += trace.flags[i] & ERROR;
    group.totalNs += trace.duration[i];
    group.selfNs += trace.self[i];
    if (trace.duration[i] > group.maxNs) [group.maxNs, group.slowest] = [trace.duration[i], i];
    for (let s = trace.pathFrom[i]; s < trace.pathFrom[i + 1]; s++) group.pathNs += trace.path[2 * s + 1] - trace.path[2 * s];
  }
  return [...found.values()];
}

export const sortGroups = (list: readonly Group[], by: Column) => [...list].sort((a, b) => b[by] - a[by] || b.selfNs - a.selfNs);

export interface Call {
  from: string;
  to: string;
  calls: number;
  errors: number;
  /** Sum of what the called spans took. */
  totalNs: number;
}

/** Calls between services. A span whose parent is of the same service is no call. */
export function calls(trace: Trace): Call[] {
  const found = new Map<number, Call>();
  for (let i = 0; i < trace.count; i++) {
    const parent = trace.parent[i];
    if (parent < 0 || trace.service[parent] === trace.service[i]) continue;
    const key = trace.service[parent] * 65536 + trace.service[i];
    let call = found.get(key);
    if (!call) found.set(key, (call = { from: serviceOf(trace, parent), to: serviceOf(trace, i), calls: 0, errors: 0, totalNs: 0 }));
    call.calls++;
    call.errors += trace.flags[i] & ERROR;
    call.totalNs += trace.duration[i];
  }
  return [...found.values()];
}
