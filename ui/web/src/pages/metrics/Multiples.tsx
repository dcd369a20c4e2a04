// Before any question: each metric as a small chart of what fits its type. Drawn when scrolled near.
import { useEffect, useRef, useState } from "preact/hooks";
import { LineChart, rankSeries } from "../../chart/LineChart";
import { useLoad } from "../../lib/load";
import { expandMacros, queryRange } from "../../lib/promql";
import { href } from "../../lib/router";
import { from, range, stepFor, tick, to } from "../../lib/time";
import { format } from "../../lib/units";
import { Empty, ErrorBox } from "../../ui/parts";
import { findMetrics, questionOf, type Metric } from "./names";

const PAGE = 24;
const OWN = /^(tarn_|prometheus_rule_|process_|ALERTS|up$|service:|slo:)/;

export function Multiples({ filter }: { filter: string }) {
  const [shown, setShown] = useState(PAGE);
  const { data, error, reload } = useLoad(`${filter} ${from.value} ${to.value}`, (signal) => findMetrics(filter, signal));
  useEffect(() => setShown(PAGE), [filter]);
  if (error) return <ErrorBox error={error} retry={reload} />;
  if (!data) return <div class="progress" role="progressbar" aria-label="Loading" />;
  if (data.metrics.length === 0) {
    return filter ? <Empty title="No metric has this in its name."><p>Names are searched in the time range above.</p></Empty> : <Empty title="No metrics in this range."><a class="btn primary" href={href("/send")}>Send your data</a></Empty>;
  }
  // What only says that it exists, and what Tarn says of itself, come last.
  const late = (metric: Metric) => (metric.kind === "info" ? 2 : OWN.test(metric.name) ? 1 : 0);
  const order = [...data.metrics].sort((a, b) => late(a) - late(b));
  return (
    <>
      <div class="multiples">{order.slice(0, shown).map((metric) => <Small key={metric.name} metric={metric} />)}</div>
      {shown < order.length && <button class="btn" onClick={() => setShown(shown + PAGE)}>Show {Math.min(PAGE, order.length - shown)} more of {order.length}</button>}
    </>
  );
}

function Small({ metric }: { metric: Metric }) {
  const ref = useRef<HTMLAnchorElement>(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => entry.isIntersecting && (setNear(true), observer.disconnect()), { rootMargin: "200px" });
    if (ref.current) observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  const { query, unit, title } = questionOf(metric);
  const { data, error } = useLoad(near ? `${query} ${from.value} ${to.value} ${tick.value}` : null, async (signal) => {
    const step = stepFor(range.value, 100);
    // A gauge of many series is told by its mean here: the page of the metric shows them all.
    const small = metric.kind === "gauge" || metric.kind === "state" ? `avg(${query})` : query;
    return (await queryRange(expandMacros(small, range.value, step), range.value, step, signal)).data;
  });
  const last = data?.series[0]?.values.findLast((v) => v !== null);
  return (
    <a ref={ref} class="panel small" href={href("/metrics", { q: query })} title={metric.help || metric.name}>
      <span class="row nowrap"><b class="clip mono data">{metric.name}</b></span>
      <span class="muted">{title} <b>{format(last ?? null, unit)}</b></span>
      <span class="plot">{error ? <span class="muted">{error.message}</span> : data && data.series.length > 0 ? <LineChart data={data} slots={rankSeries(data).slots} unit={unit} height={84} fill label={`${metric.name}, ${title}`} onSelect={() => {}} /> : data ? <span class="muted">no values in this range</span> : null}</span>
    </a>
  );
}
