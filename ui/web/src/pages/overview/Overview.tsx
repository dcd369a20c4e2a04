// What needs attention now: objectives that burn and alerts that fire, in words; services by badness;
// the machine and Tarn itself.
import { useMemo } from "preact/hooks";
import { Spark } from "../../chart/Spark";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import type { Alert, ServiceSummary, Slo } from "../../lib/model";
import { href, param } from "../../lib/router";
import { ago, from, range, tick, to } from "../../lib/time";
import { digits, format, formatNs, formatRatio } from "../../lib/units";
import { Badge, Empty, ErrorBox, Notices } from "../../ui/parts";
import { causeParts, suspect } from "./cause";
import { concerns, rankServices, type Concern, type ServiceHealth } from "./health";
import { Machine, TarnItself } from "./Machine";
import "./overview.css";

/** The concerns that get a card of their own. */
const CARDS = 5;

interface Everything {
  services: ServiceSummary[];
  slos: Slo[];
  alerts: Alert[];
  warnings: string[];
}

async function load(signal: AbortSignal): Promise<Everything> {
  const times = { start: range.value.start / 1000, end: range.value.end / 1000 };
  const [services, slos, alerts] = await Promise.all([
    ask<{ services: ServiceSummary[] }>("/api/v1/services", times, signal),
    ask<Slo[]>("/api/v1/slos", {}, signal).catch(() => ({ data: [] as Slo[], warnings: ["Objectives could not be read: see Alerts, Problems."] })),
    ask<{ alerts: Alert[] }>("/api/v1/alerts", {}, signal).catch(() => ({ data: { alerts: [] as Alert[] }, warnings: ["Alerts could not be read: see Status."] })),
  ]);
  return { services: services.data.services, slos: slos.data, alerts: alerts.data.alerts, warnings: [...services.warnings, ...slos.warnings, ...alerts.warnings] };
}

export default function Overview() {
  const key = `${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data, error, loading, reload } = useLoad(key, load);
  const list = useMemo(() => (data ? concerns(data.slos, data.alerts) : []), [data]);
  const services = useMemo(() => (data ? rankServices(data.services, data.slos, data.alerts) : []), [data]);
  const onlyOwn = data !== undefined && services.every(({ service }) => /^tarn(\.|$)/.test(service.name));
  return (
    <div class="page">
      <div class="cards concerns">
        {list.slice(0, CARDS).map((concern) => <ConcernCard key={concern.key} concern={concern} />)}
        {list.length > CARDS && (
          <a class="panel concern" href={href("/alerts")}><b>{list.length - CARDS} more</b><span class="muted">All of them are under Alerts.</span></a>
        )}
        {data && list.length === 0 && (
          <section class="panel concern ok" aria-label="All quiet">
            <span class="row"><Badge state="ok">quiet</Badge><b>Nothing needs you.</b></span>
            <span>{quiet(data)}</span>
          </section>
        )}
        <TarnItself />
      </div>
      {error && <ErrorBox error={error} retry={reload} />}
      <Notices list={data?.warnings} />
      <section class={`panel ${loading && data ? "busy" : ""}`} aria-label="Services">
        <header>
          <h2>Services</h2>
          <span class="muted">{data ? `${services.length} · sorted by what needs attention` : "…"}</span>
        </header>
        {services.length > 0 ? <Services list={services} /> : data ? <Empty title="No service has sent spans or logs in this range."><a class="btn primary" href={href("/send")}>Send your data</a></Empty> : <div class="placeholder" />}
      </section>
      {onlyOwn && (
        <section class="panel invite" aria-label="Send your data">
          <div>
            <h2>So far you see Tarn itself and this machine.</h2>
            <p class="muted">Anything that speaks OTLP or Prometheus remote write can send here, now, without a setting. To see every page full first, run <code>tarn demo</code>.</p>
          </div>
          <a class="btn primary" href={href("/send")}>Send your data</a>
        </section>
      )}
      <Machine />
    </div>
  );
}

function quiet({ slos, alerts }: Everything): string {
  const pending = alerts.filter((a) => a.state === "pending").length;
  const objectives = slos.length === 0 ? "no objectives are set" : `${slos.length} objective${slos.length === 1 ? " holds its" : "s hold their"} budget`;
  return `No alert fires · ${objectives}${pending ? ` · ${pending} pending` : ""}`;
}

function ConcernCard({ concern }: { concern: Concern }) {
  const key = concern.service ? `${concern.service} ${from.value} ${to.value} ${tick.value}` : null;
  const { data: cause } = useLoad(key, (signal) => suspect(concern.service, range.value, signal));
  const parts = cause ? causeParts(cause) : [];
  return (
    <section class={`panel concern ${concern.state}`} aria-label={concern.title}>
      <span class="row">
        <Badge state={concern.state}>{concern.word}</Badge>
        <a class="data title" href={href(concern.url.path, concern.url.params)}>{concern.title}</a>
        {concern.since && <span class="muted small">{ago(concern.since)}</span>}
      </span>
      <span class="data">{concern.line}</span>
      {parts.length > 0 && (
        <span class="muted">
          <a href={href(`/service/${encodeURIComponent(concern.service)}`)}>{concern.service}</a>{" "}
          {parts.map((part, i) => <span key={i}>{i > 0 && " · "}{part.text}<b class="data">{part.strong}</b>{part.after}</span>)}
        </span>
      )}
    </section>
  );
}

function Services({ list }: { list: readonly ServiceHealth[] }) {
  return (
    <div class="scroll-x" tabIndex={0}>
      <table class="table services">
        <thead>
          <tr>
            <th>Service</th>
            <th class="num">Spans</th><th class="pic"><span class="sr">Spans over time</span></th>
            <th class="num">Errors</th><th class="pic"><span class="sr">Errors over time</span></th>
            <th class="num">p99</th><th class="pic"><span class="sr">p99 over time</span></th>
            <th class="budget">Error budget</th>
            <th>State</th>
          </tr>
        </thead>
        <tbody>{list.map((health) => <ServiceRow key={health.service.name} health={health} />)}</tbody>
      </table>
    </div>
  );
}

function ServiceRow({ health: { service, state, word, budget } }: { health: ServiceHealth }) {
  const { name, series } = service;
  const bad = (service.errors_ratio ?? 0) > 0.01;
  return (
    <tr>
      <td class="name"><a class="data" href={href(`/service/${encodeURIComponent(name)}`)}>{name}</a></td>
      <td class="num">{format(service.spans_per_second, "/s")}</td>
      <td class="pic"><Spark values={series?.rate ?? []} color="--c1" /></td>
      <td class={`num ${bad ? "bad" : ""}`}>{service.errors_ratio === null ? "–" : formatRatio(service.errors_ratio)}</td>
      <td class="pic"><Spark values={series?.errors ?? []} color={bad ? "--err" : "--fg-3"} max={0.01} /></td>
      <td class="num">{service.p99_ns === null ? "–" : formatNs(service.p99_ns)}</td>
      <td class="pic"><Spark values={series?.p99_ns ?? []} color="--c7" /></td>
      <td class="budget">
        {budget === null ? <span class="muted">no objective</span> : (
          <span class="row nowrap">
            <span class={`bar ${budget <= 0 ? "err" : budget < 0.3 ? "warn" : ""}`} aria-hidden="true"><i style={{ width: `${Math.max(2, Math.min(100, budget * 100))}%` }} /></span>
            <span>{budget <= -1 ? `${digits(1 - budget)}× used` : formatRatio(budget)}</span>
          </span>
        )}
      </td>
      <td>{state === "none" ? <span class="muted">{word}</span> : <Badge state={state}>{word}</Badge>}</td>
    </tr>
  );
}
