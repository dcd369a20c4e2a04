// A service: what it is asked to do and how it goes, what it depends on, what fails, what runs.
import { useMemo } from "preact/hooks";
import { useLoad } from "../../lib/load";
import { href, param } from "../../lib/router";
import { serviceHues, serviceNames, type Hues } from "../../lib/services";
import { termText } from "../../lib/terms";
import { ago, range } from "../../lib/time";
import { formatRatio } from "../../lib/units";
import type { PageProps } from "../../routes";
import { Icon } from "../../ui/icons";
import { Badge, Empty, ErrorBox, Notices, StatsLine } from "../../ui/parts";
import { ServiceLogs, TopErrors } from "./Errors";
import { Red } from "./Red";
import { Deploys, Instances, Neighbours, Operations } from "./Tables";
import { askService, askWatched, logsOf, type ServiceDetail, type Watched } from "./model";
import "./service.css";

export default function ServicePage({ parts }: PageProps) {
  const name = parts.name;
  const span = range.value;
  const { data, error, loading, reload } = useLoad(`${param("tenant")} ${name} ${span.start} ${span.end}`, (signal) => askService(name, span, signal));
  const watched = useLoad(`${param("tenant")} ${name} ${span.end}`, (signal) => askWatched(name, signal)).data;
  const names = useLoad(param("tenant"), () => serviceNames()).data;
  const service = data?.data.name === name ? data.data : undefined;
  const hues = useMemo(() => serviceHues(names ?? [], [name, ...(service ? [...service.upstream, ...service.downstream].map((one) => one.service) : [])]), [names, name, service]);
  const isKnown = service && (service.series !== null || service.log_errors !== null || service.instances.length > 0);
  return (
    <div class={`page service${loading && data ? " busy" : ""}`}>
      <div class="row">
        <i class="swatch" style={{ background: hues(name).css }} />
        <h2 class="data">{name}</h2>
        {service?.deploys[0] && <span class="muted mono">{service.deploys[0].version}</span>}
        <span class="grow" />
        <a class="btn small" href={href("/traces", { q: termText("service", name) })}><Icon name="trace" /> Traces</a>
        <a class="btn small" href={href("/logs", { q: logsOf(name) })}><Icon name="logs" /> Logs</a>
        <a class="btn small" href={href("/metrics", { q: `{service_name=${JSON.stringify(name)}}` })}><Icon name="chart" /> Metrics</a>
        <a class="btn small" href={href("/map", { focus: name })}><Icon name="map" /> Map</a>
      </div>
      {error && <ErrorBox error={error} retry={reload} />}
      <Notices list={data?.warnings} />
      {watched && <Concerns watched={watched} />}
      {service && !isKnown ? <Unknown name={name} /> : <Body name={name} service={service} hues={hues} />}
      <StatsLine stats={data?.stats} />
    </div>
  );
}

/** What is not counted yet keeps its place; logs come as soon as they can. */
function Body({ name, service, hues }: { name: string; service?: ServiceDetail; hues: Hues }) {
  return (
    <>
      {!service && <div class="cards red3" role="status" aria-label="Counting spans">{["Rate", "Errors", "Duration"].map((title) => <section key={title} class="panel waiting"><header><h2>{title}</h2><span class="muted">counting…</span></header></section>)}</div>}
      {service && (service.series ? <Red service={service} /> : <p class="notice info">It sends logs and no spans: rate, errors and durations are counted from spans. With tracing in it they stand here.</p>)}
      <div class="columns">
        <div>
          {service && service.operations.length > 0 && <Operations name={name} list={service.operations} />}
          {service && <TopErrors name={name} list={service.top_errors} />}
          <ServiceLogs name={name} />
        </div>
        {service && (
          <div>
            <Neighbours title="Is called by" none="No other service calls it." list={service.upstream} hues={hues} />
            <Neighbours title="Calls" none="It calls no other service, database or queue." list={service.downstream} hues={hues} />
            <Deploys name={name} list={service.deploys} />
            <Instances list={service.instances} />
            <Resource attributes={service.resource} />
          </div>
        )}
      </div>
    </>
  );
}

function Concerns({ watched }: { watched: Watched }) {
  if (watched.slos.length === 0 && watched.alerts.length === 0) return null;
  return (
    <div class="concernlines">
      {watched.alerts.slice(0, 6).map(({ labels, annotations, state, activeAt }) => (
        <a key={JSON.stringify(labels)} href={href("/alerts", { q: labels.alertname })}>
          <Badge state={state === "firing" ? "err" : "warn"}>{state}</Badge> <b class="data">{labels.alertname}</b> <span class="data">{annotations.summary ?? annotations.description ?? ""}</span> <span class="muted">since {ago(Date.parse(activeAt))}</span>
        </a>
      ))}
      {watched.slos.map((slo) => {
        const left = Math.min(...slo.budgets.map((budget) => budget.budget_left ?? 1));
        const isBurning = slo.budgets.some((budget) => budget.burning.length > 0);
        return (
          <a key={slo.name} href={href(`/slos/${encodeURIComponent(slo.name)}`)}>
            <Badge state={isBurning || left <= 0 ? "err" : left < 0.25 ? "warn" : "ok"}>{isBurning ? "burning" : left <= 0 ? "budget gone" : "SLO"}</Badge> <b class="data">{slo.name}</b> <span>{formatRatio(slo.target)} over {slo.window}: {left > 0 ? `${formatRatio(left)} of the budget left` : "its budget is gone"}</span>
          </a>
        );
      })}
    </div>
  );
}

function Resource({ attributes }: { attributes: Record<string, unknown> }) {
  const entries = Object.entries(attributes).filter(([key]) => key !== "service.name");
  if (entries.length === 0) return null;
  return (
    <section class="panel">
      <header><h2>All its instances have</h2></header>
      <dl class="kv body">
        {entries.slice(0, 40).map(([key, value]) => (
          <>
            <dt key={key}>{key}</dt>
            <dd class="data">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function Unknown({ name }: { name: string }) {
  return (
    <Empty title={`Nothing of ${name} in this range`}>
      <p>No span and no log record has this service.name in the range of time above. It may have been quiet, renamed, or of another tenant.</p>
      <div class="row">
        <a class="btn" href={href(`/service/${encodeURIComponent(name)}`, { from: "now-7d", to: null })}>Look at the last 7 days</a>
        <a class="btn" href={href("/map")}>All services</a>
      </div>
    </Empty>
  );
}
