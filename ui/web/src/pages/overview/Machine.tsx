// The machine that Tarn runs on, and Tarn itself, from their own metrics.
import { Spark } from "../../chart/Spark";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { queryInstant, queryRange } from "../../lib/promql";
import { href } from "../../lib/router";
import { readsServer } from "../../lib/session";
import { from, range, stepFor, tick, to } from "../../lib/time";
import { format, formatBytes, formatNs, type Unit } from "../../lib/units";

interface Gauge {
  title: string;
  query: string;
  unit: Unit;
  color: string;
  max?: number;
}

// Tarn samples the machine every few seconds: a minute holds enough for a rate.
const GAUGES: Gauge[] = [
  { title: "CPU", query: '1 - sum(rate(system_cpu_time_seconds_total{cpu_mode="idle"}[1m])) / sum(rate(system_cpu_time_seconds_total[1m]))', unit: "ratio", color: "--c1", max: 1 },
  { title: "Load, 1 min", query: "system_cpu_load_average_1m", unit: "none", color: "--c1" },
  { title: "Memory", query: 'sum(system_memory_usage_bytes{system_memory_state="used"}) / sum(system_memory_limit_bytes)', unit: "ratio", color: "--c3", max: 1 },
  { title: "Disk, fullest", query: 'max(sum by (system_filesystem_mountpoint) (system_filesystem_usage_bytes{system_filesystem_state="used"}) / sum by (system_filesystem_mountpoint) (system_filesystem_usage_bytes{system_filesystem_state=~"used|free"}))', unit: "ratio", color: "--c5", max: 1 },
  { title: "Disk, read and written", query: "sum(rate(system_disk_io_bytes_total[1m]))", unit: "bytes/s", color: "--c5" },
  { title: "Network", query: "sum(rate(system_network_io_bytes_total[1m]))", unit: "bytes/s", color: "--c7" },
];

export function Machine() {
  const key = `${from.value} ${to.value} ${tick.value}`;
  return (
    <section class="panel" aria-label="This machine">
      <header>
        <h2>This machine</h2>
        <a class="muted" href={href("/dashboards/host")}>board</a>
      </header>
      <div class="gauges">{GAUGES.map((gauge) => <GaugeCell key={gauge.title} gauge={gauge} at={key} />)}</div>
    </section>
  );
}

function GaugeCell({ gauge, at }: { gauge: Gauge; at: string }) {
  const { data } = useLoad(`${gauge.query} ${at}`, async (signal) => (await queryRange(gauge.query, range.value, stepFor(range.value, 120), signal)).data);
  const values = data?.series[0]?.values ?? [];
  const last = values.findLast((value) => value !== null);
  return (
    <a class="gauge" href={href("/metrics", { q: gauge.query })}>
      <span class="muted">{gauge.title}</span>
      <b>{format(last ?? null, gauge.unit)}</b>
      <Spark values={values} color={gauge.color} width={160} height={26} max={gauge.max} />
    </a>
  );
}

interface Own {
  rows: number | null;
  rejected: number | null;
  p99: number | null;
  stored: number;
  log: number;
  behind: number;
  trouble: number;
}

interface Usage {
  jobs: { queued_bytes: number; queued_total: number; trouble: unknown[] };
  stored: { bytes: number; staged_bytes: number; wal_bytes: number; head_bytes: number };
}

/** Null for whoever may not read what belongs to the whole server. */
async function own(signal: AbortSignal): Promise<Own | null> {
  if (!(await readsServer())) return null;
  const now = Date.now();
  const one = async (query: string) => (await queryInstant(query, now, signal)).data[0]?.value ?? null;
  const [usage, rows, rejected, p99] = await Promise.all([
    ask<Usage>("/api/v1/usage", {}, signal),
    one("sum(rate(tarn_ingest_rows_total[1m]))"),
    one("sum(increase(tarn_limit_hits_total[1h]))"),
    one("histogram_quantile(0.99, sum by (le) (rate(tarn_query_seconds_bucket[5m])))"),
  ]);
  const { stored, jobs } = usage.data;
  return { rows, rejected, p99, stored: stored.bytes + stored.staged_bytes, log: stored.wal_bytes, behind: jobs.queued_total, trouble: jobs.trouble.length };
}

export function TarnItself() {
  const { data, error } = useLoad(`${tick.value}`, own);
  return (
    <section class="panel concern" aria-label="Tarn itself">
      <span class="row"><a class="title" href={href("/dashboards/tarn")}>Tarn itself</a></span>
      {error && <span class="muted">{error.message}. See <a href={href("/status")}>Status</a>.</span>}
      {data === null && <span class="muted">How the server does is told to whoever may read all tenants.</span>}
      {data && (
        <>
          <span>
            <a href={href("/metrics", { q: "sum by (signal) (rate(tarn_ingest_rows_total[1m]))" })}>{format(data.rows, "/s").replace(" /s", "")} rows/s in</a> · {formatBytes(data.stored)} stored
            {data.p99 !== null && !Number.isNaN(data.p99) && <> · <a href={href("/queries")}>queries p99 {formatNs(data.p99 * 1e9)}</a></>}
          </span>
          <span class="muted">
            Log {formatBytes(data.log)} · <a href={href("/data")}>{data.trouble > 0 ? `${data.trouble} jobs in trouble` : data.behind > 20 ? `${data.behind} merges wait` : "merging keeps up"}</a> · {format(Math.round(data.rejected ?? 0))} rejected in 1 h
          </span>
        </>
      )}
    </section>
  );
}

