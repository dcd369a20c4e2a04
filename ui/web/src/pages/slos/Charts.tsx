// The budget and the burn rate over time, and when the budget was eaten.
import { useMemo } from "preact/hooks";
import { Bars } from "../../chart/Bars";
import { LineChart, rankSeries } from "../../chart/LineChart";
import { useLoad } from "../../lib/load";
import type { Slo, SloBudget } from "../../lib/model";
import { queryRange, type Matrix } from "../../lib/promql";
import { href } from "../../lib/router";
import { iso, range, rangeLabel, stepFor } from "../../lib/time";
import { format, formatCount } from "../../lib/units";
import { Empty, ErrorBox } from "../../ui/parts";
import { selectorOf } from "./model";

interface Props {
  slo: Slo;
  budget: SloBudget;
  at: string;
}

const POINTS = 240;
const BARS = 60;

export function OverTime({ slo, budget, at }: Props) {
  const selector = selectorOf(slo, budget);
  const share = 1 - slo.target;
  const key = `${selector} ${at}`;
  const { data, error, reload } = useLoad(key, async (signal) => {
    const step = stepFor(range.value, POINTS);
    const read = (query: string) => queryRange(query, range.value, step, signal);
    const [left, ...burn] = await Promise.all([read(`slo:period_error_budget_remaining:ratio${selector}`), ...["5m", "1h", "6h"].map((window) => read(`slo:sli_error:ratio_rate${window}${selector} / ${share}`))]);
    const series = burn.flatMap((answer, i) => answer.data.series.slice(0, 1).map((one) => ({ labels: { window: ["5m", "1h", "6h"][i] }, values: one.values })));
    return { left: left.data, burn: { times: burn[0].data.times, series } };
  });
  if (error) return <ErrorBox error={error} retry={reload} />;
  return (
    <div class="cards wide">
      <Chart title="Budget left" data={data?.left} unit="ratio" thresholds={[{ value: 0, label: "used up" }]} label={`Budget of ${slo.name} left over ${rangeLabel()}`} />
      <Chart title="Burn rate" note="over 5m, 1h and 6h · 1× lasts exactly the window" data={data?.burn} unit="none" thresholds={[{ value: 1, label: "1×" }]} label={`Burn rate of ${slo.name} over ${rangeLabel()}`} />
    </div>
  );
}

function Chart({ title, note, data, unit, thresholds, label }: { title: string; note?: string; data?: Matrix; unit: "ratio" | "none"; thresholds: { value: number; label: string }[]; label: string }) {
  const ranked = useMemo(() => data && rankSeries(data), [data]);
  return (
    <section class="panel" aria-label={title}>
      <header><h2>{title}</h2><span class="muted">{note}</span></header>
      <div class="chart">
        {data && ranked ? (data.series.length > 0 ? <LineChart data={data} slots={ranked.slots} unit={unit} height={190} thresholds={thresholds} label={label} sync="slo" /> : <Empty title="Nothing was recorded in this range." />) : <div class="placeholder" />}
      </div>
      {data && data.series.length > 1 && ranked && (
        <p class="legend row">{data.series.map((one, i) => <span key={i} class="row"><i class="swatch" style={{ background: `var(--c${(ranked.slots[i] ?? 0) + 1})` }} />{one.labels.window}</span>)}</p>
      )}
    </section>
  );
}

/** Bad events per step: the growth of what is valid and not good. */
export function Eaten({ slo, budget, at }: Props) {
  const selector = selectorOf(slo, budget);
  const { data, error, reload } = useLoad(`${selector} ${at}`, async (signal) => {
    const step = stepFor(range.value, BARS);
    const answer = await queryRange(`tarn:slo_valid_total${selector} - tarn:slo_good_total${selector}`, range.value, step, signal);
    const values = answer.data.series[0]?.values ?? [];
    let last: number | null = null;
    const grown = values.map((value) => {
      const by = value !== null && last !== null ? Math.max(0, value - last) : 0;
      last = value ?? last;
      return by;
    });
    return { counts: grown, startMs: ((answer.data.times[0] ?? 0) - step) * 1000, stepMs: step * 1000 };
  });
  const total = data?.counts.reduce((sum, n) => sum + n, 0) ?? 0;
  const allowed = budget.valid === null ? 0 : budget.valid * (1 - slo.target);
  const worst = data ? data.counts.indexOf(Math.max(...data.counts)) : -1;
  const times = data && worst >= 0 ? { from: iso(data.startMs + worst * data.stepMs), to: iso(data.startMs + (worst + 1) * data.stepMs) } : {};
  return (
    <section class="panel" aria-label="What ate it">
      <header><h2>When it was eaten</h2><span class="muted">bad events{total > 0 && allowed > 0 ? ` · ${formatCount(total)} in this range, ${format(total / allowed, "ratio")} of the budget` : ""}</span></header>
      {error && <ErrorBox error={error} retry={reload} />}
      <div class="chart">
        {data && data.counts.length > 0 ? <Bars startMs={data.startMs} stepMs={data.stepMs} layers={[{ name: "bad events", color: "--err", counts: data.counts }]} height={150} label={`Bad events of ${slo.name} over ${rangeLabel()}`} /> : data ? <Empty title={budget.valid === null ? "Only ratios are known of this objective, no events." : "No events in this range."} /> : <div class="placeholder" />}
      </div>
      {total > 0 && (
        <p class="legend row">
          <a class="btn small" href={href("/traces", { q: `service:${JSON.stringify(slo.service)} status:error`, ...times, group: null })}>Traces of the worst moment</a>
          <a class="btn small" href={href("/logs", { q: `service:${JSON.stringify(slo.service)} level>=error`, ...times, group: null })}>Its logs</a>
          <span class="muted">drag over the bars to look closer</span>
        </p>
      )}
    </section>
  );
}
