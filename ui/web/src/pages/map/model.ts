// The graph of services as the server knows it, and the part of it that is near one service.
import { ask, type Answer } from "../../lib/api";
import type { Span } from "../../lib/time";

export interface MapNode {
  name: string;
  kind: "service" | "database" | "external" | "user" | string;
  spans_per_second: number | null;
  errors_ratio: number | null;
  p50_ns: number | null;
  p99_ns: number | null;
}

export interface MapEdge {
  client: string;
  server: string;
  connection_type: string;
  per_second: number | null;
  errors_ratio: number | null;
  p50_ns: number | null;
  p99_ns: number | null;
}

export interface ServiceMap {
  nodes: MapNode[];
  edges: MapEdge[];
}

export function askMap(range: Span, signal: AbortSignal): Promise<Answer<ServiceMap>> {
  return ask("/api/v1/services/graph", { start: range.start / 1000, end: range.end / 1000 }, signal);
}

export type Health = "ok" | "warn" | "err" | "none";

/** Red from 5 % of errors, yellow from 1 %; what is not measured has no state. */
export function healthOf(ratio: number | null): Health {
  if (ratio === null || Number.isNaN(ratio)) return "none";
  return ratio >= 0.05 ? "err" : ratio >= 0.01 ? "warn" : "ok";
}

/** The services that are at most `steps` calls away from one, either way. */
export function near({ nodes, edges }: ServiceMap, name: string, steps: number): ServiceMap {
  const kept = new Set([name]);
  for (let step = 0; step < steps; step++) {
    const border = [...kept];
    for (const { client, server } of edges) {
      if (border.includes(client)) kept.add(server);
      if (border.includes(server)) kept.add(client);
    }
  }
  return { nodes: nodes.filter((node) => kept.has(node.name)), edges: edges.filter(({ client, server }) => kept.has(client) && kept.has(server)) };
}

/** One edge per pair: kinds of connection between the same two are summed up. */
export function pairs(edges: readonly MapEdge[]): MapEdge[] {
  const found = new Map<string, MapEdge>();
  for (const edge of edges) {
    const key = `${edge.client}\u0000${edge.server}`;
    const other = found.get(key);
    if (!other) {
      found.set(key, { ...edge });
      continue;
    }
    const [a, b] = [other.per_second ?? 0, edge.per_second ?? 0];
    const errors = a * (other.errors_ratio ?? 0) + b * (edge.errors_ratio ?? 0);
    other.per_second = a + b;
    other.errors_ratio = a + b > 0 ? errors / (a + b) : other.errors_ratio;
    other.p99_ns = Math.max(other.p99_ns ?? 0, edge.p99_ns ?? 0) || null;
  }
  return [...found.values()];
}
