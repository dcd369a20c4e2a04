// What is stored and what it costs: per signal, service, metric and label; merging and what waits.
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import type { Facet } from "../../lib/model";
import { queryInstant } from "../../lib/promql";
import { href, param } from "../../lib/router";
import { formatTime, from, range, tick, to } from "../../lib/time";
import { digits, format, formatBytes, formatCount, formatRatio } from "../../lib/units";
import { Badge, Empty, ErrorBox } from "../../ui/parts";
import "./data.css";

interface SignalUsage {
  tenant: string;
  signal: string;
  blocks: number;
  bytes: number;
  rows: number;
  samples: number;
  earliest_ms: number;
  latest_ms: number;
  levels: { level: number; blocks: number; bytes: number }[];
}

interface Usage {
  jobs: { running: Record<string, unknown> | null; queued_total: number; queued_bytes: number; ended: Record<string, unknown>[]; trouble: Record<string, unknown>[] };
  stored: { blocks: number; bytes: number; head_bytes: number; staged_bytes: number; wal_bytes: number; tenants: SignalUsage[] };
}

interface Counted {
  name: string;
  value: number;
}

interface Tsdb {
  headStats: { numSeries: number };
  seriesCountByMetricName: Counted[];
  labelValueCountByLabelName: Counted[];
}

const METRICS = 30;

export default function Data() {
  const key = `${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  return (
    <div class="page data-page">
      <Stored at={key} />
      <div class="cards wide">
        <Services at={key} />
        <Cardinality at={key} />
      </div>
    </div>
  );
}

const RATES: Record<string, string> = {
  rows: "sum by (signal) (rate(tarn_ingest_rows_total[5m]))",
  bytes: "sum by (signal) (rate(tarn_ingest_bytes_total[5m]))",
};

function Stored({ at }: { at: string }) {
  const usage = useLoad(`usage ${at}`, async (signal) => (await ask<Usage>("/api/v1/usage", {}, signal)).data);
  const rates = useLoad(`rates ${at}`, async (signal) => {
    const [rows, bytes] = await Promise.all([queryInstant(RATES.rows, Date.now(), signal), queryInstant(RATES.bytes, Date.now(), signal)]);
    const of = (list: typeof rows) => Object.fromEntries(list.data.map(({ labels, value }) => [labels.signal, value]));
    return { rows: of(rows), bytes: of(bytes) };
  });
  if (usage.error) return <ErrorBox error={usage.error} retry={usage.reload} />;
  const stored = usage.data?.stored;
  const jobs = usage.data?.jobs;
  return (
    <>
      <section class="panel" aria-label="Stored">
        <header><h2>Stored</h2><span class="muted">{stored ? `${formatCount(stored.blocks)} block${stored.blocks === 1 ? "" : "s"} in the bucket` : "…"}</span></header>
        <div class="figures">
          <Figure title="In the bucket" value={stored && formatBytes(stored.bytes)} />
          <Figure title="On its way there" value={stored && formatBytes(stored.staged_bytes)} />
          <Figure title="In memory, newest" value={stored && formatBytes(stored.head_bytes)} />
          <Figure title="Log on disk" value={stored && formatBytes(stored.wal_bytes)} />
          {["metrics", "logs", "traces"].map((signal) => (
            <Figure key={signal} title={`${signal} in`} value={rates.data && `${format(rates.data.rows[signal] ?? 0, "/s")}`} more={rates.data && `${formatBytes(rates.data.bytes[signal] ?? 0)}/s sent`} />
          ))}
        </div>
      </section>
      {jobs && (
        <section class="panel" aria-label="Merging">
          <header>
            <h2>Merging</h2>
            {jobs.trouble.length > 0 ? <Badge state="err">{jobs.trouble.length} in trouble</Badge> : jobs.queued_total > 20 ? <Badge state="warn">behind</Badge> : <Badge state="ok">keeps up</Badge>}
            <span class="muted">{formatCount(jobs.queued_total)} jobs wait, {formatBytes(jobs.queued_bytes)}</span>
          </header>
          <Jobs running={jobs.running} ended={jobs.ended} trouble={jobs.trouble} />
        </section>
      )}
      {stored && stored.tenants.length > 0 && <Tenants tenants={stored.tenants} />}
    </>
  );
}

function Figure({ title, value, more }: { title: string; value?: string; more?: string }) {
  return (
    <div class="figure">
      <span class="muted">{title}</span>
      <b>{value ?? "…"}</b>
      {more && <span class="muted">{more}</span>}
    </div>
  );
}

/** Jobs as the server describes them: their own words, whatever they are. */
function Jobs({ running, ended, trouble }: { running: Record<string, unknown> | null; ended: Record<string, unknown>[]; trouble: Record<string, unknown>[] }) {
  const rows = [...trouble.map((job) => ["trouble", job] as const), ...(running ? [["running", running] as const] : []), ...ended.slice(-8).reverse().map((job) => ["ended", job] as const)];
  if (rows.length === 0) return <p class="body muted">Nothing was to merge yet: blocks come when memory is written out, every few minutes.</p>;
  return (
    <div class="body scroll-x">
      <table class="table">
        <tbody>
          {rows.map(([state, job], i) => (
            <tr key={i}>
              <td>{state === "trouble" ? <Badge state="err">trouble</Badge> : state}</td>
              <td class="data">{Object.entries(job).filter(([, value]) => value !== null && typeof value !== "object").map(([name, value]) => `${name} ${name.includes("bytes") ? formatBytes(Number(value)) : String(value)}`).join(" · ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Tenants({ tenants }: { tenants: readonly SignalUsage[] }) {
  return (
    <section class="panel" aria-label="By tenant and signal">
      <header><h2>By tenant and signal</h2><span class="muted">what is in blocks; level 0 is as it was written, 1 and 2 are merged and smaller</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Tenant</th><th>Signal</th><th class="num">Size</th><th class="num">Rows</th><th class="num">Bytes each</th><th class="num">Blocks</th><th>By level</th><th>From</th><th>To</th></tr></thead>
          <tbody>
            {tenants.map((one) => {
              const count = one.samples || one.rows;
              return (
                <tr key={`${one.tenant} ${one.signal}`}>
                  <td class="data">{one.tenant}</td>
                  <td>{one.signal}</td>
                  <td class="num">{formatBytes(one.bytes)}</td>
                  <td class="num">{format(count)} {one.samples ? "samples" : ""}</td>
                  <td class="num">{count ? digits(one.bytes / count) : "–"}</td>
                  <td class="num">{formatCount(one.blocks)}</td>
                  <td class="muted">{one.levels.map(({ level, bytes }) => `${level}: ${formatBytes(bytes)}`).join(" · ")}</td>
                  <td>{formatTime(one.earliest_ms)}</td>
                  <td>{formatTime(one.latest_ms)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface Volume {
  name: string;
  logs: number;
}

function Services({ at }: { at: string }) {
  const { data, error, reload } = useLoad(`services ${at}`, async (signal) => {
    const { data: found } = await ask<{ facets: Facet[]; rows: number }>("/api/v1/logs/facets", { keys: "service", limit: 50, start: range.value.start / 1000, end: range.value.end / 1000 }, signal);
    return { rows: found.rows, list: (found.facets[0]?.values ?? []).map<Volume>(({ value, count }) => ({ name: value, logs: count })) };
  });
  const most = data?.list[0]?.logs ?? 1;
  return (
    <section class="panel" aria-label="Log records by service">
      <header><h2>Log records by service</h2><span class="muted">{data ? `${formatCount(data.rows)} in this range` : "…"}</span></header>
      {error && <ErrorBox error={error} retry={reload} />}
      {data && (data.list.length === 0 ? <Empty title="No log records in this range." /> : (
        <table class="table">
          <tbody>
            {data.list.map(({ name, logs }) => (
              <tr key={name}>
                <td class="data"><a href={href("/logs", { q: `service:${JSON.stringify(name)}` })}>{name}</a></td>
                <td class="meter"><span class="bar" aria-hidden="true"><i style={{ width: `${(logs / most) * 100}%` }} /></span></td>
                <td class="num">{formatCount(logs)}</td>
                <td class="num muted">{formatRatio(logs / Math.max(data.rows, 1))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </section>
  );
}

function Cardinality({ at }: { at: string }) {
  const { data, error, reload } = useLoad(`tsdb ${at}`, async (signal) => (await ask<Tsdb>("/api/v1/status/tsdb", { limit: METRICS }, signal)).data);
  const total = data?.headStats.numSeries ?? 0;
  return (
    <section class="panel" aria-label="Series by metric">
      <header><h2>Series by metric</h2><span class="muted">{data ? `${formatCount(total)} active series` : "…"}</span></header>
      {error && <ErrorBox error={error} retry={reload} />}
      {data && (
        <div class="twocol">
          <table class="table">
            <thead><tr><th>Metric</th><th class="num">Series</th><th class="num">Share</th></tr></thead>
            <tbody>
              {data.seriesCountByMetricName.map(({ name, value }) => (
                <tr key={name}>
                  <td class="mono clip data"><a href={href(`/metrics/${encodeURIComponent(name.replace(/_bucket$/, ""))}`)}>{name}</a></td>
                  <td class="num">{formatCount(value)}</td>
                  <td class="num muted">{formatRatio(value / Math.max(total, 1))}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <table class="table">
            <thead><tr><th>Label</th><th class="num">Values</th></tr></thead>
            <tbody>
              {data.labelValueCountByLabelName.map(({ name, value }) => (
                <tr key={name}><td class="mono clip data">{name}</td><td class="num">{formatCount(value)}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
