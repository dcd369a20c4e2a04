// What is known of a span besides its bar: attributes, events, links. Small traces are read whole, once;
// of large ones each span when it is looked at.
import { useMemo } from "preact/hooks";
import { ask, type ApiError } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { idOf, type Trace } from "./model";

export interface SpanEvent {
  offset_ns?: number;
  timestamp_unix_nano: string;
  name: string;
  attributes: Record<string, unknown>;
}

export interface SpanLink {
  trace_id: string;
  span_id: string;
}

export interface Scope {
  name?: string;
  version?: string;
}

export interface SpanDetail {
  span_id: string;
  parent_span_id?: string;
  status: string;
  status_message?: string;
  start_unix_nano: string;
  attributes: Record<string, unknown>;
  events: SpanEvent[];
  links: SpanLink[];
  resource: { attributes?: Record<string, unknown> };
  scope: Scope;
}

interface Whole {
  resources: { attributes: Record<string, unknown> }[];
  scopes: Scope[];
  spans: (Omit<SpanDetail, "resource" | "scope"> & { resource: number; scope: number })[];
}

/** The details of all spans, in the order of the trace; null while they are not here, or never will be. */
export function useAllDetails(trace: Trace): readonly SpanDetail[] | null {
  const isSmall = trace.count <= LIMITS.spansRead && trace.stored === trace.count;
  const { data } = useLoad(isSmall ? trace.id : null, (signal) => ask<Whole>(`/api/v1/traces/${trace.id}`, {}, signal));
  return useMemo(() => {
    // Spans that came meanwhile would be matched to the wrong bars.
    if (!data || data.data.spans.length !== trace.count) return null;
    const { resources, scopes, spans } = data.data;
    return spans.map((span) => ({ ...span, resource: resources[span.resource] ?? {}, scope: scopes[span.scope] ?? {} }));
  }, [data, trace]);
}

/** The details of one span. */
export function useDetail(trace: Trace, span: number, all: readonly SpanDetail[] | null): { detail?: SpanDetail; error?: ApiError; retry: () => void } {
  const whole = all?.[span];
  // A reply that needed too much memory has spans without attributes; alone they come whole.
  const known = whole?.attributes ? whole : undefined;
  const id = idOf(trace, span);
  const isSmall = trace.count <= LIMITS.spansRead && trace.stored === trace.count;
  const loaded = useLoad(known || (isSmall && !whole) ? null : `${trace.id} ${id}`, async (signal) => {
    const { data } = await ask<{ spans: SpanDetail[] }>(`/api/v1/traces/${trace.id}/spans/${id}`, {}, signal);
    // Spans that share an id are told apart by nothing but their content; the first is as good as the others.
    return data.spans[0];
  });
  return { detail: known ?? (loaded.data?.span_id === id ? loaded.data : undefined), error: known ? undefined : loaded.error, retry: loaded.reload };
}
