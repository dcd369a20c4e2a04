// What a pasted text is, and the page where it leads.
import { href } from "../lib/router";
import { iso, parseTime } from "../lib/time";

export interface Target {
  title: string;
  kind: string;
  url: string;
}

const PROMQL = /[{}()]|\b(rate|sum|avg|max|min|count|histogram_quantile|increase|topk)\b/;

/** Guesses what a text is: a trace id, an instant, a link of Grafana or Prometheus, PromQL, a log line. */
export function targetsOf(text: string): Target[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const found: Target[] = [];
  const traceparent = /^\d\d-([0-9a-f]{32})-[0-9a-f]{16}-\d\d$/i.exec(trimmed);
  const id = traceparent?.[1] ?? (/^[0-9a-f]{32}$|^[0-9a-f]{16}$/i.test(trimmed) ? trimmed : null);
  if (id) found.push({ title: `Trace ${id}`, kind: "trace", url: href(`/traces/${id.toLowerCase()}`) });
  const linked = /^https?:\/\//.test(trimmed) ? ofLink(trimmed) : null;
  if (linked) found.push(linked);
  const instant = /^\d{4}-|^\d{10,19}$/.test(trimmed) ? parseTime(trimmed, Date.now()) : null;
  if (instant !== null) found.push({ title: `Logs around ${iso(instant)}`, kind: "time", url: href("/logs", { from: iso(instant - 300_000), to: iso(instant + 300_000) }) });
  if (PROMQL.test(trimmed) && !linked) found.push({ title: `Run ${trimmed}`, kind: "PromQL", url: href("/metrics", { q: trimmed }) });
  if (/^\s*(select|with)\b/i.test(trimmed)) found.push({ title: `Run ${trimmed}`, kind: "SQL", url: href("/sql", { q: trimmed }) });
  if (trimmed.length > 2 && !id && instant === null && !linked) found.push({ title: `Logs with ${trimmed}`, kind: "logs", url: href("/logs", { q: /^[\w.-]+$/.test(trimmed) ? trimmed : JSON.stringify(trimmed) }) });
  return found;
}

/** Takes the expression out of a link of Grafana's explore or of Prometheus' graph. */
function ofLink(text: string): Target | null {
  try {
    const url = new URL(text);
    const graph = url.searchParams.get("g0.expr");
    if (graph) return { title: `Run ${graph}`, kind: "Prometheus link", url: href("/metrics", { q: graph }) };
    const panes = url.searchParams.get("panes") ?? url.searchParams.get("left");
    const expr = panes && /"expr":"((?:[^"\\]|\\.)*)"/.exec(panes)?.[1];
    if (expr) return { title: `Run ${JSON.parse(`"${expr}"`)}`, kind: "Grafana link", url: href("/metrics", { q: JSON.parse(`"${expr}"`) as string }) };
  } catch {
    // Not a link after all.
  }
  return null;
}
