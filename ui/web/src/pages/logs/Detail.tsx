// One record: its body whole, where it leads, all that is known of it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, curl } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { href, setParams } from "../../lib/router";
import { quote } from "../../lib/promql";
import { iso, range, type Span } from "../../lib/time";
import { formatCount } from "../../lib/units";
import { LIMITS } from "../../lib/limits";
import { Icon } from "../../ui/icons";
import { Badge, Copy, type State } from "../../ui/parts";
import { Fields, type Field } from "./Fields";
import { bodyOf, levelOf, levelWord, timeMs, type LogRow } from "./model";
import { isContext, require, select } from "./state";
import { phrase, termText } from "../../lib/terms";
import { asText, cut, prettyJson, sharedPart, visible } from "../../lib/text";

/** Characters of a body that are drawn at most; all of them can be copied. */
const BODY_CHARS = 300_000;
/** A link of a record leads to its minutes before and after. */
const AROUND_MS = 300_000;

interface DetailProps {
  id: string;
  row: LogRow | undefined;
    isLoading: boolean;
}

export function Detail({ id, row, isLoading }: DetailProps) {
  const kept = useRef<{ id: string; row: LogRow } | null>(null);
  if (row) kept.current = { id, row };
  const shown = row ?? (kept.current?.id === id ? kept.current.row : undefined);
  return (
    <aside class="detail" aria-label="Record" tabIndex={-1}>
      {shown ? <Record row={shown} /> : (
        <>
          <header><h2>Record</h2><Close /></header>
          <p class="muted">{isLoading ? "…" : "There is no such record any more: it may have been removed by retention, or the link is of another tenant."}</p>
        </>
      )}
    </aside>
  );
}

const Close = () => (
  <button class="btn plain icon close" aria-label="Close the record" title="Close (Esc)" onClick={() => select(null)}><Icon name="close" /></button>
);

const STATE: Record<string, State> = { error: "err", fatal: "err", warn: "warn" };

function Record({ row }: { row: LogRow }) {
  const level = levelOf(row);
  return (
    <>
      <header>
        <Badge state={STATE[level] ?? "none"}>{visible(levelWord(row)).toLowerCase() || "unset"}</Badge>
        <h2 class="clip data">{visible(row.service ?? "") || "no service"}</h2>
        <Close />
      </header>
      <Body text={bodyOf(row)} label="Copy body" more={<button class="btn small" title="Records with the longest part of this text that has no number in it" onClick={() => require(phrase(sharedPart(bodyOf(row))))}>Rows like this</button>} />
      <Links row={row} />
      <Thrown row={row} />
      <Fields title="Record" fields={ownFields(row)} />
      <Fields title="Attributes" fields={fieldsOf(row.attributes)} />
      <Fields title="Resource" fields={fieldsOf(row.resource?.attributes)} />
      <Fields title="Scope" fields={scopeFields(row)} />
    </>
  );
}

/** What was thrown, and where. */
function Thrown({ row }: { row: LogRow }) {
  const trace = asText(row.attributes?.["exception.stacktrace"]);
  if (trace === "") return null;
  return (
    <section class="fields" aria-label="Exception">
      <h3>Exception</h3>
      <Body text={trace} label="Copy stack" />
    </section>
  );
}

function Body({ text, label, more }: { text: string; label: string; more?: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  const [isRaw, setRaw] = useState(false);
  useEffect(() => setOpen(false), [text]);
  const pretty = prettyJson(text);
  const whole = pretty !== null && !isRaw ? pretty : text;
  const isLong = whole.length > LIMITS.valueChars;
  const part = cut(whole, isOpen ? BODY_CHARS : LIMITS.valueChars);
  if (text === "") return <p class="muted">No body.</p>;
  return (
    <div class="body">
      <pre class="data" tabIndex={isOpen ? 0 : undefined}>{visible(part)}{part.length < whole.length && "…"}</pre>
      <div class="row">
        {isLong && <button class="btn small" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>{isOpen ? "Fold" : `All ${formatCount(whole.length)} characters`}</button>}
        {isOpen && whole.length > BODY_CHARS && <span class="statsline">{formatCount(BODY_CHARS)} of {formatCount(whole.length)} characters are shown; Copy has all.</span>}
        {pretty !== null && <button class="btn small" aria-pressed={isRaw} onClick={() => setRaw(!isRaw)}>As sent</button>}
        <Copy text={text} label={label} />
        {more}
      </div>
    </div>
  );
}

/** Where a record leads; nothing is offered that is not there. */
function Links({ row }: { row: LogRow }) {
  const trace = row.trace_id ?? "";
  const stored = useLoad(trace || null, (signal) => ask<{ stored: string[] }>("/api/v1/traces/stored", { id: [trace] }, signal));
  const hasTrace = trace !== "" && !stored.loading && !stored.error && stored.data?.data.stored.includes(trace);
  const job = jobOf(row);
  const series = useLoad(job || null, (signal) => ask<unknown[]>("/api/v1/series", { "match[]": `{job=${quote(job)}}`, limit: 1, ...seconds(range.value) }, signal));
  const hasMetrics = job !== "" && !series.loading && (series.data?.data.length ?? 0) > 0;
  const ms = timeMs(row);
  const around = { from: iso(ms - AROUND_MS), to: iso(ms + AROUND_MS) };
  const exact = [row.service ? termText("service", row.service) : "", row.span_id ? termText("span", row.span_id) : ""].join(" ").trim();
  return (
    <div class="row links">
      {hasTrace && <a class="btn small" href={href(`/traces/${trace}`, { span: row.span_id, ...around })}><Icon name="trace" /> Trace</a>}
      <button class="btn small" aria-pressed={isContext.value} title="Records of the same process before and after (c)" onClick={() => setParams({ context: isContext.value ? null : "1" })}>± Context</button>
      {hasMetrics && <a class="btn small" href={href("/metrics", { q: `count by (__name__) ({job=${quote(job)}})` })}><Icon name="chart" /> Metrics</a>}
      {row.service && <a class="btn small" href={href(`/service/${encodeURIComponent(row.service)}`, around)}><Icon name="map" /> Service</a>}
      <Copy text={() => recordLink(around)} label="Link" />
      <Copy text={() => curl("/api/v1/logs/search", { q: exact, start: `${ms / 1000}`, end: `${(ms + 1) / 1000}` })} label="curl" />
      <Copy text={() => JSON.stringify(row, null, 2)} label="JSON" />
    </div>
  );
}

/** The job that the metrics of the same process have. */
function jobOf(row: LogRow): string {
  const namespace = asText(row.resource?.attributes?.["service.namespace"]);
  return row.service ? (namespace ? `${namespace}/${row.service}` : row.service) : "";
}

const seconds = (span: Span) => ({ start: Math.floor(span.start / 60_000) * 60, end: Math.ceil(span.end / 60_000) * 60 });

/** This page with the record, at the time of the record. */
function recordLink(around: { from: string; to: string }): string {
  const params = new URLSearchParams(location.search);
  params.set("from", around.from);
  params.set("to", around.to);
  params.delete("live");
  return `${location.origin}${location.pathname}?${params}`;
}

function ownFields(row: LogRow): Field[] {
  const fields: Field[] = [
    { name: "timestamp", value: row.timestamp },
    { name: "service", value: row.service ?? "", key: "service" },
    { name: "level", value: levelOf(row), key: "level" },
    { name: "severity", value: [row.severity_text, row.severity_number].filter((part) => part !== undefined && part !== "").join(" · ") },
    { name: "event", value: row.event_name ?? "", key: "event" },
    { name: "trace", value: row.trace_id ?? "", key: "trace" },
    { name: "span", value: row.span_id ?? "", key: "span" },
  ];
  return fields.filter((field) => field.value !== "");
}

function fieldsOf(attributes: Record<string, unknown> | undefined): Field[] {
  // A stack is shown by itself.
  return Object.entries(attributes ?? {}).filter(([name]) => name !== "exception.stacktrace").map(([name, value]) => ({ name, value: asText(value), key: name, column: name })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function scopeFields(row: LogRow): Field[] {
  const { name, version, attributes } = row.scope ?? {};
  const own = Object.entries({ name, version, ...attributes }).filter(([, value]) => value !== undefined && value !== "");
  return own.map(([key, value]) => ({ name: key, value: asText(value), key: `@scope.${key}`, column: `@scope.${key}` }));
}
