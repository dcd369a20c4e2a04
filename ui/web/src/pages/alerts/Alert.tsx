// One alert: what it measures against its threshold, when it was in which state, who was told, and the
// ways to the rows behind it.
import { useMemo, useState } from "preact/hooks";
import { LineChart, rankSeries } from "../../chart/LineChart";
import { useLoad } from "../../lib/load";
import { queryRange, seriesName, type Labels } from "../../lib/promql";
import { href, param } from "../../lib/router";
import { ago, formatTime, from, range, rangeLabel, stepFor, tick, to } from "../../lib/time";
import { formatNs, unitOfQuery } from "../../lib/units";
import type { PageProps } from "../../routes";
import { Act } from "../../ui/act";
import { Badge, Copy, Empty, ErrorBox, Notices } from "../../ui/parts";
import { linkOf } from "./AlertList";
import "./alerts.css";
import { DeliveryTable } from "./Deliveries";
import { loadAlerts, loadDeliveries, type Overview } from "./fetch";
import { badgeOf, isPage, keyOf, matchersOf, serviceOf, split, type Row } from "./model";
import { SilenceForm } from "./SilenceForm";
import { StateStrip, statesText } from "./States";

const DELIVERIES_READ = 500;

function asked(): Labels | null {
  try {
    const of: unknown = JSON.parse(param("of") || "null");
    return of !== null && typeof of === "object" ? (of as Labels) : null;
  } catch {
    return null;
  }
}

export default function Alert({ parts: { id } }: PageProps) {
  const at = `${id} ${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data, error, loading, reload } = useLoad(at, (signal) => loadAlerts(range.value, id, signal));
  const labels = asked();
  const row = data && (labels ? data.rows.find((one) => keyOf(one.labels) === keyOf(labels)) : data.rows[0]);
  const rule = row?.rule ?? data?.groups.flatMap((g) => g.rules).find((one) => one.name === id);
  const group = data?.groups.find((g) => g.rules.some((one) => one === rule));
  const [silencing, setSilencing] = useState(false);
  const badge = row && badgeOf(row);
  const service = serviceOf(row?.labels ?? rule?.labels ?? {});
  return (
    <div class="page alerts-page">
      {error && <ErrorBox error={error} retry={reload} />}
      <Notices list={data?.warnings} />
      <div class="row">
        <a class="muted" href={href("/alerts", { of: null })}>Alerts</a>
        {badge ? <Badge state={badge.state}>{badge.word}</Badge> : data && <Badge state="ok">quiet</Badge>}
        <h2 class="data title">{id}</h2>
        {row && <span class="muted">{row.state === "over" ? `over ${ago(row.since)}` : `since ${formatTime(row.since)}, ${ago(row.since)}`}</span>}
        <span class="grow" />
        {rule && <a class="btn" href={href("/metrics", { q: split(rule.query)?.left ?? rule.query, of: null })}>Query in Metrics</a>}
        {service && <a class="btn" href={href("/logs", { q: `service:${JSON.stringify(service)} level>=warn`, of: null })}>Logs</a>}
        {service && <a class="btn" href={href("/traces", { q: `service:${JSON.stringify(service)}`, of: null })}>Traces</a>}
        {row?.labels.slo && <a class="btn" href={href(`/slos/${encodeURIComponent(row.labels.slo)}`, { of: null })}>Objective</a>}
        <Act role_="editor" class="btn" onClick={() => setSilencing(true)}>Silence…</Act>
      </div>
      {row?.annotations.summary && <p class="summary data">{row.annotations.summary}</p>}
      {data && !rule && !row && <Empty title="There is no such alert."><p>No rule has this name, and nothing of it is stored in {rangeLabel()}.</p><a class="btn" href={href("/alerts", { of: null })}>All alerts</a></Empty>}
      {rule && <Measured query={rule.query} row={row} busy={loading} />}
      {data && data.rows.length > 0 && <History data={data} row={row} />}
      <div class="cards wide">
        {rule && (
          <section class="panel" aria-label="Rule">
            <header><h2>Rule</h2><Copy text={rule.query} label="Copy the expression" /></header>
            <div class="body">
              <pre class="data" tabIndex={0}>{rule.query}</pre>
              <dl class="kv">
                <dt>for</dt><dd>{formatNs((rule.duration ?? 0) * 1e9)}</dd>
                {(rule.keepFiringFor ?? 0) > 0 && <><dt>keep firing for</dt><dd>{formatNs(rule.keepFiringFor! * 1e9)}</dd></>}
                <dt>group</dt><dd>{group?.name}, every {formatNs((group?.interval ?? 0) * 1e9)}</dd>
                <dt>file</dt><dd>{group?.file}</dd>
                <dt>health</dt><dd>{rule.health}{rule.lastError ? `: ${rule.lastError}` : ""}</dd>
              </dl>
            </div>
          </section>
        )}
        {row && <Facts row={row} />}
      </div>
      <ToldOf name={id} labels={row?.labels} at={at} />
      {silencing && <SilenceForm matchers={row ? matchersOf(row.labels) : `alertname=${JSON.stringify(id)}`} onClose={() => setSilencing(false)} />}
    </div>
  );
}

function Measured({ query, row, busy }: { query: string; row?: Row; busy: boolean }) {
  const parts = split(query);
  // The rules of an objective look at many windows: its burn rate is what they are about.
  const drawn = row?.labels.slo ? `slo:current_burn_rate:ratio{slo=${JSON.stringify(row.labels.slo)}}` : (parts?.left ?? query);
  const key = `${drawn} ${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data, error, reload } = useLoad(key, (signal) => queryRange(drawn, range.value, stepFor(range.value, 300), signal));
  const matrix = data?.data;
  const own = useMemo(() => new Set((matrix?.series ?? []).map((series, i) => (row && Object.entries(series.labels).every(([n, v]) => n === "__name__" || row.labels[n] === v) ? i : -1)).filter((i) => i >= 0)), [matrix, row]);
  const ranked = useMemo(() => matrix && rankSeries(matrix, own), [matrix, own]);
  if (error) return <ErrorBox error={error} retry={reload} />;
  return (
    <section class={`panel ${busy ? "busy" : ""}`} aria-label="What is measured">
      <header><h2>What is measured</h2><code class="muted data clip">{drawn}</code></header>
      <div class="chart">
        {matrix && ranked ? (
          matrix.series.length > 0
            ? <LineChart data={matrix} slots={ranked.slots} unit={unitOfQuery(drawn)} height={220} focus={own.size === 1 ? [...own][0] : null} thresholds={parts ? [{ value: parts.threshold, label: `${parts.op} ${parts.threshold}` }] : []} label={`${drawn} over ${rangeLabel()}${parts ? `, with the threshold ${parts.op} ${parts.threshold}` : ""}`} />
            : <Empty title="The expression has no value in this range."><p>That is how most rules are while nothing is wrong.</p></Empty>
        ) : <div class="placeholder" />}
      </div>
      {matrix && matrix.series.length > 1 && <p class="muted legend data">{[...own].map((i) => seriesName(matrix.series[i].labels)).join(" · ") || `${matrix.series.length} series`}</p>}
    </section>
  );
}

function History({ data, row }: { data: Overview; row?: Row }) {
  const stepS = data.times.length > 1 ? data.times[1] - data.times[0] : 60;
  return (
    <section class="panel" aria-label="States over time">
      <header><h2>States over time</h2><span class="muted">{rangeLabel()} · low is pending, full is firing</span></header>
      <ul class="history">
        {data.rows.slice(0, 50).map((one) => {
          const badge = badgeOf(one);
          return (
            <li key={one.key} class={row === one ? "active" : ""}>
              <Badge state={badge.state}>{badge.word}</Badge>
              <a class="clip mono data" href={linkOf(one)} aria-current={row === one ? "true" : undefined}>{seriesName(Object.fromEntries(Object.entries(one.labels).filter(([n]) => n !== "alertname")))}</a>
              <StateStrip states={one.states} steps={data.times.length} page={isPage(one.labels)} label={statesText(one.states, stepS)} />
              <span class="muted">{statesText(one.states, stepS)}</span>
            </li>
          );
        })}
      </ul>
      {data.rows.length > 50 && <p class="muted legend">{data.rows.length - 50} more are in <a href={href("/alerts", { q: data.rows[0].name, of: null })}>the list</a>.</p>}
    </section>
  );
}

function Facts({ row }: { row: Row }) {
  const safe = (text: string) => /^https?:\/\//.test(text);
  return (
    <section class="panel" aria-label="Labels and texts">
      <header><h2>Labels and texts</h2><Copy text={matchersOf(row.labels)} label="Copy as matchers" /></header>
      <div class="body">
        <dl class="kv">
          {row.value && <><dt>value</dt><dd>{Number(row.value)}</dd></>}
          {Object.entries(row.labels).map(([name, value]) => <><dt key={name}>{name}</dt><dd>{value}</dd></>)}
          {Object.entries(row.annotations).map(([name, value]) => (
            <><dt key={name}>{name}</dt><dd>{safe(value) ? <a href={value} target="_blank" rel="noreferrer noopener">{value}</a> : value}</dd></>
          ))}
          {row.receivers.length > 0 && <><dt>told</dt><dd>{row.receivers.join(", ")}</dd></>}
        </dl>
      </div>
    </section>
  );
}

/** The deliveries about groups that this alert may be in: no label of the group contradicts it. */
function ToldOf({ name, labels, at }: { name: string; labels?: Labels; at: string }) {
  const { data } = useLoad(at, (signal) => loadDeliveries(DELIVERIES_READ, signal));
  const fits = (key: string) => {
    const group = [...key.slice(key.lastIndexOf(":{") + 1).matchAll(/([\w.:]+)="((?:[^"\\]|\\.)*)"/g)];
    return group.every(([, label, value]) => (labels ?? { alertname: name })[label] === undefined || (labels ?? { alertname: name })[label] === value);
  };
  const list = (data ?? []).filter((one) => fits(one.group_key)).slice(0, 20);
  if (!data) return null;
  return (
    <section class="panel" aria-label="Who was told">
      <header><h2>Who was told</h2><a class="muted" href={href("/alerts", { view: "deliveries", of: null })}>all deliveries</a></header>
      {list.length > 0 ? <DeliveryTable list={list} /> : <p class="muted legend">Nothing was sent about it since Tarn started: it was told before, is kept quiet, or no route leads to a receiver.</p>}
    </section>
  );
}
