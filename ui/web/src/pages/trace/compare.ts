// Two traces by structure: spans that have the same operations above them are one node, with counts and
// times of either trace.
import { ERROR, nameOf, serviceOf, type Trace } from "./model";

export interface Side {
  spans: number;
  errors: number;
  totalNs: number;
  selfNs: number;
}

export interface Compared {
  service: string;
  name: string;
  depth: number;
  a: Side;
  b: Side;
}

interface Node {
  service: string;
  name: string;
  sides: [Side, Side];
  children: Map<string, Node>;
}

const side = (): Side => ({ spans: 0, errors: 0, totalNs: 0, selfNs: 0 });

/** Merges both into one tree, in the order in which operations were first met. */
export function compareTraces(a: Trace, b: Trace): Compared[] {
  const root: Node = { service: "", name: "", sides: [side(), side()], children: new Map() };
  add(root, a, 0);
  add(root, b, 1);
  const list: Compared[] = [];
  const stack: [Node, number][] = [...root.children.values()].reverse().map((node) => [node, 0]);
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [node, depth] = top;
    list.push({ service: node.service, name: node.name, depth, a: node.sides[0], b: node.sides[1] });
    for (const child of [...node.children.values()].reverse()) stack.push([child, depth + 1]);
  }
  return list;
}

function add(root: Node, trace: Trace, which: 0 | 1) {
  const nodes = new Array<Node>(trace.count);
  for (let i = 0; i < trace.count; i++) {
    const parent = trace.parent[i] < 0 ? root : nodes[trace.parent[i]];
    const [service, name] = [serviceOf(trace, i), nameOf(trace, i)];
    const key = `${service}\u0000${name}`;
    let node = parent.children.get(key);
    if (!node) parent.children.set(key, (node = { service, name, sides: [side(), side()], children: new Map() }));
    nodes[i] = node;
    const sums = node.sides[which];
    sums.spans++;
    sums.errors += trace.flags[i] & ERROR;
    sums.totalNs += trace.duration[i];
    sums.selfNs += trace.self[i];
  }
}

export type Change = "same" | "added" | "gone" | "slower" | "faster" | "failed" | "mended";

/** What is different about one node; time counts when it is a visible part of the traces. */
export function changeOf({ a, b }: Compared, wholeNs: number): Change {
  if (a.spans === 0) return "added";
  if (b.spans === 0) return "gone";
  if (b.errors > 0 && a.errors === 0) return "failed";
  if (a.errors > 0 && b.errors === 0) return "mended";
  const by = b.selfNs - a.selfNs;
  if (Math.abs(by) < wholeNs * 0.01 || Math.abs(by) < Math.max(a.selfNs, b.selfNs) * 0.2) return "same";
  return by > 0 ? "slower" : "faster";
}

export interface Said {
  /** ns by which the whole trace is longer; negative when shorter. */
  byNs: number;
  added: number;
  gone: number;
  failed: Compared[];
  /** The operations whose self time changed most. */
  most: { node: Compared; byNs: number }[];
}

export function summary(list: readonly Compared[], a: Trace, b: Trace): Said {
  const byNs = b.durationNs - a.durationNs;
  const changes = list.map((node) => ({ node, byNs: node.b.selfNs - node.a.selfNs }));
  const sign = byNs >= 0 ? 1 : -1;
  return {
    byNs,
    added: list.filter((node) => node.a.spans === 0).length,
    gone: list.filter((node) => node.b.spans === 0).length,
    failed: list.filter((node) => node.b.errors > 0 && node.a.errors === 0),
    most: changes.filter((one) => one.byNs * sign > Math.abs(byNs) * 0.05).sort((x, y) => (y.byNs - x.byNs) * sign).slice(0, 3),
  };
}
