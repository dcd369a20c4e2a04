// Rate, errors and durations of a service, with its deploys as marks.
import { useMemo } from "preact/hooks";
import { LineChart, type Mark } from "../../chart/LineChart";
import { format, formatNs, formatRatio } from "../../lib/units";
import { errorRatios, matrix, type Deploy, type ServiceDetail } from "./model";

export function marksOf(deploys: readonly Deploy[]): Mark[] {
  return deploys.filter((one) => !one.before_start).map((one) => ({ at: one.first_seen_ms, label: one.version }));
}

export function Red({ service }: { service: ServiceDetail }) {
  const { series } = service;
  const marks = useMemo(() => marksOf(service.deploys), [service.deploys]);
  const charts = useMemo(() => {
    if (!series) return null;
    const { start_ms: start, step_ms: step } = series;
    return {
      rate: matrix(start, step, [["spans/s", series.rate]]),
      errors: matrix(start, step, [["errors", errorRatios(series.rate, series.errors)]]),
      durations: matrix(start, step, [["p99", series.p99_ns.map(seconds)], ["p50", series.p50_ns.map(seconds)]]),
    };
  }, [series]);
  if (!charts) return null;
  const what = service.measured_by === "all_spans" ? "all spans" : "requests it answers";
  return (
    <div class="cards red3">
      <Chart title="Rate" value={format(service.spans_per_second, "/s")} note={what}>
        <LineChart data={charts.rate} slots={[0]} unit="/s" min={0} fill height={150} marks={marks} sync="service" label={`Spans per second, on average ${format(service.spans_per_second, "/s")}`} />
      </Chart>
      <Chart title="Errors" value={formatRatio(service.errors_ratio ?? 0)} isBad={(service.errors_ratio ?? 0) > 0.01} note="of them">
        <LineChart data={charts.errors} slots={[1]} unit="ratio" min={0} fill height={150} marks={marks} sync="service" label={`Share of failed spans, on average ${formatRatio(service.errors_ratio ?? 0)}`} />
      </Chart>
      <Chart title="Duration" value={formatNs(service.p99_ns ?? NaN)} note={`p99 · p50 ${formatNs(service.p50_ns ?? NaN)}`}>
        <LineChart data={charts.durations} slots={[3, 0]} unit="s" min={0} height={150} marks={marks} sync="service" label={`p99 ${formatNs(service.p99_ns ?? NaN)} and p50 ${formatNs(service.p50_ns ?? NaN)} of the duration`} />
      </Chart>
    </div>
  );
}

const seconds = (ns: number | null) => (ns === null ? null : ns / 1e9);

function Chart({ title, value, note, isBad, children }: { title: string; value: string; note: string; isBad?: boolean; children: preact.ComponentChildren }) {
  return (
    <section class="panel">
      <header><h2>{title}</h2><b class={isBad ? "bad" : ""}>{isBad ? "▲ " : ""}{value}</b> <span class="muted">{note}</span></header>
      {children}
    </section>
  );
}
