// The side panel: what is known of one span, and where to go from it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Hues } from "../../lib/services";
import { LIMITS } from "../../lib/limits";
import { href } from "../../lib/router";
import { termText } from "../../lib/terms";
import { visible } from "../../lib/text";
import { formatTime, iso } from "../../lib/time";
import { formatNs } from "../../lib/units";
import { Icon } from "../../ui/icons";
import { Badge, Copy, ErrorBox } from "../../ui/parts";
import { useDetail, type SpanDetail, type SpanEvent } from "./details";
import { bodyText, levelOf, type TraceLogs } from "./logs";
import { ERROR, idOf, kindOf, nameOf, oddities, serviceOf, type Trace } from "./model";
import { compareTypical, useTypical } from "./typical";


export interface DetailProps {
  trace: Trace;
  span: number;
  all: readonly SpanDetail[] | null;
  logs?: TraceLogs;
  colour: Hues;
  onClose: () => void;
}

export function Detail({ trace, span, all, logs, colour, onClose }: DetailProps) {
  const { detail, error, retry } = useDetail(trace, span, all);
  const id = idOf(trace, span);
  const kind = kindOf(trace, span);
  const isError = (trace.flags[span] & ERROR) !== 0;
  const odd = oddities(trace, span);
  const service = serviceOf(trace, span);
  const typical = useTypical(service, nameOf(trace, span), kind, trace.startMs);
  const lines = logs?.bySpan.get(span) ?? [];
  const around = rangeOf(trace);
  const compared = typical && compareTypical(trace.duration[span], typical);
  return (
    <aside class="sidepane" aria-label="Span" tabIndex={0}>
      <div class="row">
        <h2 class="grow"><i class="swatch" style={{ background: colour(service).css }} /><span class="data">{visible(service)}</span> <span class="name data">{visible(nameOf(trace, span))}</span></h2>
        <button class="btn plain icon" aria-label="Close the panel" title="Close (Esc)" onClick={onClose}><Icon name="close" /></button>
      </div>
      {isError && <div class="row"><Badge state="err">error</Badge>{detail?.status_message && <span class="data">{visible(detail.status_message)}</span>}</div>}
      <div class="row">
        {lines.length > 0 && <a class="btn small" href={href("/logs", { q: `trace:${trace.id} span:${id}`, ...around })}><Icon name="logs" /> {lines.length} log{lines.length === 1 ? "" : "s"}</a>}
        <a class="btn small" href={href("/metrics", { q: rateQuery(service, nameOf(trace, span)), ...around })}><Icon name="chart" /> Metrics</a>
        <a class="btn small" href={href(`/service/${encodeURIComponent(service)}`, around)}><Icon name="map" /> Service</a>
        <a class="btn small" href={href("/traces", { q: `${termText("service", service)} ${termText("name", nameOf(trace, span))}`, ...around })}><Icon name="trace" /> Like this</a>
      </div>
      <dl class="kv">
        <Plain name="duration">{formatNs(trace.duration[span])}</Plain>
        <Plain name="self time">{formatNs(trace.self[span])}{trace.duration[span] > 0 ? ` · ${Math.round((100 * trace.self[span]) / trace.duration[span])} %` : ""}</Plain>
        <Plain name="start">+{formatNs(trace.start[span])} · {formatTime(trace.startMs + trace.start[span] / 1e6, true)}</Plain>
        {compared && <Plain name="vs. this operation">{compared.isSlow && <span class="bad" aria-hidden="true">▲ </span>}{compared.text}</Plain>}
        {trace.shift[span] !== 0 && <Plain name="clock">shown {formatNs(Math.abs(trace.shift[span]))} {trace.shift[span] > 0 ? "later" : "earlier"} than sent, inside its parent</Plain>}
        {odd.length > 0 && <Plain name="odd">{odd.join("; ")}</Plain>}
        <Value name="kind" value={kind} />
        <Value name="status" value={detail?.status ?? (isError ? "error" : "…")} />
      </dl>
      {error && <ErrorBox error={error} retry={retry} />}
      {detail && <Attributes title="Attributes" attributes={detail.attributes} />}
      {detail && detail.events.length > 0 && <section><h3>Events</h3><div style={{ display: "grid", gap: "6px" }}>{detail.events.map((event, i) => <Event key={i} event={event} start={detail.start_unix_nano} />)}</div></section>}
      {lines.length > 0 && (
        <section>
          <h3>Logs</h3>
          <div class="loglines">
            {lines.slice(0, 8).map(({ offset, row }, i) => (
              <div key={i}><span class="muted">+{formatNs(offset)}</span><span class={row.severity_number >= 17 ? "bad" : "muted"}>{levelOf(row.severity_number)}</span><span class="data">{visible(bodyText(row.body).slice(0, 400))}</span></div>
            ))}
          </div>
        </section>
      )}
      {detail && <Rest detail={detail} id={id} />}
    </aside>
  );
}

function Rest({ detail, id }: { detail: SpanDetail; id: string }) {
  return (
    <>
      {detail.links.length > 0 && (
        <section>
          <h3>Links to other traces</h3>
          <div class="loglines">{detail.links.map((link, i) => <a key={i} class="mono" href={href(`/traces/${link.trace_id}`, { span: link.span_id })}>{link.trace_id}</a>)}</div>
        </section>
      )}
      <Attributes title="Resource" attributes={detail.resource.attributes ?? {}} />
      <dl class="kv">
        {detail.scope.name && <Plain name="scope">{detail.scope.name} {detail.scope.version ?? ""}</Plain>}
        <Value name="span" value={id} />
        {detail.parent_span_id && <Value name="parent" value={detail.parent_span_id} noFilter />}
      </dl>
      <div class="row"><Copy text={() => JSON.stringify(detail, null, 2)} label="Copy as JSON" /></div>
    </>
  );
}

/** A quarter of an hour around the trace, as parameters of a link. */
export function rangeOf(trace: Trace): { from: string; to: string } {
  return { from: iso(Math.floor(trace.startMs) - 900_000), to: iso(Math.ceil(trace.startMs + trace.durationNs / 1e6) + 900_000) };
}

const rateQuery = (service: string, name: string) => `sum by (status_code) (rate(traces_spanmetrics_calls_total{service=${JSON.stringify(service)}, span_name=${JSON.stringify(name)}}[5m]))`;

function Plain({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd><span class="v data">{children}</span></dd>
    </>
  );
}

function Attributes({ title, attributes }: { title: string; attributes: Record<string, unknown> }) {
  const entries = Object.entries(attributes);
  if (entries.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <dl class="kv">{entries.map(([name, value]) => <Value key={name} name={name} value={value} />)}</dl>
    </section>
  );
}

/** A value with what can be done with it: find more like it, copy it. */
function Value({ name, value, noFilter }: { name: string; value: unknown; noFilter?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const isLong = text.length > LIMITS.valueChars;
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <span class="v data">
          {visible(isLong && !isOpen ? `${text.slice(0, LIMITS.valueChars)}… ` : text)}
          {isLong && !isOpen && <button class="btn small" onClick={() => setOpen(true)}>Show all {text.length} characters</button>}
        </span>
        <span class="acts">
          {!noFilter && text.length < 300 && <a href={href("/traces", { q: termText(name, text) })} title={`Traces with ${name} = this`} aria-label={`Find traces with this ${name}`}><Icon name="filter" size={13} /></a>}
          <button title="Copy" aria-label={`Copy ${name}`} onClick={() => void navigator.clipboard?.writeText(text)}><Icon name="copy" size={13} /></button>
        </span>
      </dd>
    </>
  );
}

function Event({ event, start }: { event: SpanEvent; start: string }) {
  const { "exception.type": type, "exception.message": message, "exception.stacktrace": stack, ...rest } = event.attributes as Record<string, unknown>;
  const isException = event.name === "exception" || type !== undefined;
  return (
    <div class={`event${isException ? " exc" : ""}`}>
      <div class="row">
        <b class="data">{isException && type !== undefined ? String(type) : event.name}</b>
        <span class="muted mono">+{formatNs(Number(BigInt(event.timestamp_unix_nano) - BigInt(start)))}</span>
      </div>
      {message !== undefined && <div class="data">{visible(String(message))}</div>}
      {stack !== undefined && <pre tabIndex={0} aria-label="Stack trace" class="data">{visible(String(stack))}</pre>}
      {stack !== undefined && <div class="row"><Copy text={String(stack)} label="Copy the stack" /></div>}
      {Object.keys(rest).length > 0 && <dl class="kv">{Object.entries(rest).map(([name, value]) => <Value key={name} name={name} value={value} noFilter />)}</dl>}
    </div>
  );
}

