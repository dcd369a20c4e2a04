// One question and its answer: chart, heatmap or table; eight series in colour; what changed most.
import { useMemo, useState } from "preact/hooks";
import { Heatmap } from "../../chart/Heatmap";
import { LineChart, rankSeries, type Point } from "../../chart/LineChart";
import { Spark } from "../../chart/Spark";
import { curl } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { useLoad } from "../../lib/load";
import { distinguishing, expandMacros, quote, queryRange, type Matrix } from "../../lib/promql";
import { navigate, href, param, setParams } from "../../lib/router";
import { from, range, stepFor, tick, to } from "../../lib/time";
import { formatCount, formatRatio, unitOfQuery, type Unit } from "../../lib/units";
import { Copy, Empty, ErrorBox, Notices, Segmented, StatsLine } from "../../ui/parts";
import { lazy } from "../../ui/lazy";
import { AlertOnThis } from "./AlertOnThis";
import { changes, type Change } from "./change";
import { useExemplars, ExemplarList } from "./exemplars";
import { heatmapOf, heatmapQuery, type Buckets } from "./heatmap";
import { metricIn } from "./names";
import { SeriesTable } from "./SeriesTable";
import { SplitBy } from "./SplitBy";

/** Boards are known to those who want one. */
const AddToBoard = lazy(() => import("./AddToBoard").then((m) => m.AddToBoard));

type View = "chart" | "heatmap" | "table";
const VIEWS = [{ value: "chart", label: "Chart" }, { value: "heatmap", label: "Heatmap" }, { value: "table", label: "Table" }] as const;

export function Result({ query }: { query: string }) {
  const view = (param("view") || "chart") as View;
  const step = stepFor(range.value, Math.max(120, Math.min(720, innerWidth / 2)));
  const text = expandMacros(query, range.value, step);
  const key = `${text} ${step} ${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data: answer, error, loading, reload } = useLoad(key, (signal) => queryRange(text, range.value, step, signal));
  const unit = unitOfQuery(query);
  return (
    <>
      <div class="row mbar">
        <Segmented label="View" value={view} choices={VIEWS} onChange={(value) => setParams({ view: value === "chart" ? null : value })} />
        <StatsLine stats={answer?.stats}>{answer ? summary(answer.data, step) : "…"}</StatsLine>
        <span class="grow" />
        <SplitBy query={query} />
        <AlertOnThis query={query} />
        <AddToBoard query={query} />
        <Copy label="curl" text={() => curl("/api/v1/query_range", { query: text, start: String(range.value.start / 1000), end: String(range.value.end / 1000), step: String(step) })} />
      </div>
      {error && <ErrorBox error={error} retry={reload} />}
      <Notices list={[...(answer?.warnings ?? []), ...(answer?.infos ?? [])]} />
      {answer && (answer.data.series.length === 0 && !error ? <Nothing query={query} /> : (
        <div class={`mresult ${loading ? "busy" : ""}`}>
          {view === "heatmap" ? <HeatmapView query={query} stepS={step} unit={unit} /> : <Chart query={query} data={answer.data} unit={unit} tableOnly={view === "table"} />}
        </div>
      ))}
    </>
  );
}

function summary({ series, times }: Matrix, step: number): string {
  const colours = series.length > LIMITS.colours ? `${LIMITS.colours} of ${formatCount(series.length)} series in colour, by max` : `${series.length} series`;
  return `${colours} · ${formatCount(times.length)} points each, ${step} s apart`;
}

function Nothing({ query }: { query: string }) {
  const metric = metricIn(query);
  return (
    <Empty title="The question is right, and nothing matches it in this range.">
      <p>{metric ? <>Is <code class="data">{metric}</code> sent in this time? Its labels are on <a href={href(`/metrics/${encodeURIComponent(metric)}`)}>its page</a>.</> : "Try a longer range, or fewer matchers."}</p>
      <button class="btn" onClick={() => setParams({ from: "now-24h", to: null })}>Look in the last 24 h</button>
    </Empty>
  );
}

function Chart({ query, data, unit, tableOnly }: { query: string; data: Matrix; unit: Unit; tableOnly: boolean }) {
  const [all, setAll] = useState(false);
  const [focus, setFocus] = useState<number | null>(null);
  const [hover, setHover] = useState<number | null>(null);
  const [picked, setPicked] = useState<ReadonlySet<number>>(new Set());
  const limit = all ? LIMITS.chartSeriesMax : LIMITS.chartSeries;
  const ranked = useMemo(() => rankSeries(data, picked), [data, picked]);
  // Of more series than the limit the highest are drawn.
  const drawn = useMemo<Matrix>(() => (data.series.length <= limit ? data : { times: data.times, series: ranked.order.slice(0, limit).map((i) => data.series[i]) }), [data, ranked, limit]);
  const slots = useMemo(() => (drawn === data ? ranked.slots : rankSeries(drawn).slots), [drawn, ranked]);
  const exemplars = useExemplars(query);
  const points = exemplars.map<Point>(({ traceId, value, at }) => ({ at, value, label: traceId, onClick: () => navigate(href(`/traces/${traceId}`)) }));
  const list = useMemo(() => changes(data), [data]);
  const keys = useMemo(() => distinguishing(data.series.map((s) => s.labels)), [data]);
  const pick = (series: number) => {
    const next = new Set(picked);
    if (!next.delete(series)) next.add(series);
    setPicked(next);
  };
  return (
    <>
      {!tableOnly && (
        <section class="panel chartbox">
          <LineChart data={drawn} slots={slots} unit={unit} height={300} fill label={`${data.series.length} series of ${query}`} onHover={setHover} focus={focus} points={points} />
          <ExemplarList list={exemplars} unit={unit} />
        </section>
      )}
      {data.series.length > limit && (
        <Notices>
          The {formatCount(limit)} highest of {formatCount(data.series.length)} series are drawn; the table has {data.series.length > LIMITS.tableRows ? `the first ${formatCount(LIMITS.tableRows)}` : "all of them"}.{" "}
          {!all && data.series.length > limit && <button class="btn small" onClick={() => setAll(true)}>Draw {formatCount(Math.min(LIMITS.chartSeriesMax, data.series.length))}</button>}
        </Notices>
      )}
      <SeriesTable data={data} order={ranked.order} slots={ranked.slots} keys={keys} unit={unit} at={hover} onFocus={setFocus} onPick={pick} tall={tableOnly} />
      {!tableOnly && list.length > 0 && <Changes list={list} query={query} />}
    </>
  );
}

/** Which values of which label the change of the whole is due to. */
function Changes({ list, query }: { list: readonly Change[]; query: string }) {
  return (
    <div class="changes" role="group" aria-label="What changed most">
      {list.map((change, i) => (
        <button class="panel" key={change.value} title="Only this" onClick={() => setParams({ q: narrowed(query, change.label, change.value) })}>
          <span class="clip"><b class="data">{change.label} = {change.value || "(none)"}</b> <span class="muted">{formatRatio(change.share)} of change</span></span>
          <Spark values={change.values} color={`--c${i + 1}`} width={200} height={34} />
        </button>
      ))}
    </div>
  );
}

/** Adds a matcher to every selector of the metric in the expression. */
export function narrowed(query: string, label: string, value: string): string {
  const metric = metricIn(query);
  const matcher = `${/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) ? label : quote(label)}=${quote(value)}`;
  if (!metric) return query;
  const escaped = metric.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return query.replace(new RegExp(`\\b(${escaped}(?:_bucket|_sum|_count)?)\\b(?:\\s*\\{([^}]*)\\})?`, "g"), (_whole, name: string, inner?: string) => `${name}{${inner?.trim() ? `${inner.trim().replace(/,$/, "")}, ` : ""}${matcher}}`);
}

function HeatmapView({ query, stepS, unit }: { query: string; stepS: number; unit: Unit }) {
  const text = heatmapQuery(query);
  const width = Math.max(stepS, Math.round((range.value.end - range.value.start) / 1000 / 160));
  const { data, error, reload } = useLoad<Buckets | null>(text ? `${text} ${width} ${from.value} ${to.value} ${tick.value}` : null, async (signal) => {
    const expanded = expandMacros(text!.query, range.value, width);
    return heatmapOf((await queryRange(expanded, range.value, width, signal)).data);
  });
  if (!text) return <Empty title="A heatmap needs a histogram."><p>Choose a metric marked H, or ask for <code>…_bucket</code>.</p></Empty>;
  if (error) return <ErrorBox error={error} retry={reload} />;
  if (!data) return <div class="placeholder" />;
  if (data.counts.length === 0) return <Empty title="This histogram has no classic buckets in the range." />;
  return (
    <section class="panel chartbox">
      <Heatmap {...data} unit={unit} height={340} label={`How values of ${query} are spread over time`} onSelect={({ start, end }) => setParams({ from: new Date(start).toISOString(), to: new Date(end).toISOString() })} />
    </section>
  );
}
