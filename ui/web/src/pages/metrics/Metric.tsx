// One metric: what it is, its labels and how many values each has, and ready questions.
import { ask } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { useLoad } from "../../lib/load";
import { queryInstant } from "../../lib/promql";
import { href } from "../../lib/router";
import { from, range, tick, to } from "../../lib/time";
import { formatCount } from "../../lib/units";
import type { PageProps } from "../../routes";
import { Empty, ErrorBox, Notices } from "../../ui/parts";
import { findMetrics, questionOf, type Metric as Told } from "./names";
import { splitBy } from "./SplitBy";
import { narrowed } from "./Result";
import "./metrics.css";

interface Label {
  name: string;
  values: string[];
  truncated: boolean;
}

interface About {
  metric: Told;
  series: number | null;
  labels: Label[];
}

async function load(name: string, signal: AbortSignal): Promise<About> {
  const times = { start: range.value.start / 1000, end: range.value.end / 1000 };
  const { metrics } = await findMetrics(name, signal);
  const metric = metrics.find((m) => m.name === name) ?? { name, kind: "gauge" as const, help: "", native: false };
  const selector = `{__name__=~${JSON.stringify(`${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(_bucket|_count|_sum)?`)}}`;
  const [count, names] = await Promise.all([
    queryInstant(`count(${selector})`, range.value.end, signal),
    ask<string[]>("/api/v1/labels", { ...times, "match[]": [selector], limit: LIMITS.names }, signal),
  ]);
  const labels = await Promise.all(names.data.filter((l) => l !== "__name__").slice(0, 40).map(async (label) => {
    const { data } = await ask<string[]>(`/api/v1/label/${encodeURIComponent(label)}/values`, { ...times, "match[]": [selector], limit: LIMITS.names }, signal);
    return { name: label, values: data, truncated: data.length >= LIMITS.names };
  }));
  return { metric, series: count.data[0]?.value ?? null, labels: labels.sort((a, b) => b.values.length - a.values.length) };
}

export default function Metric({ parts }: PageProps) {
  const name = parts.name;
  const { data, error, reload } = useLoad(`${name} ${from.value} ${to.value} ${tick.value}`, (signal) => load(name, signal));
  if (error) return <div class="page"><ErrorBox error={error} retry={reload} /></div>;
  if (!data) return <div class="progress" role="progressbar" aria-label="Loading" />;
  const { metric, series, labels } = data;
  const { query } = questionOf(metric);
  return (
    <div class="page">
      <section class="panel" aria-label="About">
        <header><h2 class="mono data">{name}</h2><span class="muted">{metric.kind}{metric.native ? ", native" : ""} · {series === null ? "no series now" : `${formatCount(series)} series now`}</span></header>
        <div class="body row">
          <span class="grow data">{metric.help || "Its sender gave no description."}</span>
          <a class="btn primary" href={href("/metrics", { q: query })}>Chart</a>
          <a class="btn" href={href("/sql", { q: `SELECT ts, value FROM samples WHERE metric = '${name.replace(/'/g, "''")}' ORDER BY ts DESC LIMIT 100` })}>Samples in SQL</a>
        </div>
      </section>
      <section class="panel" aria-label="Labels">
        <header><h2>Labels</h2><span class="muted">{labels.length} · most values first: these make the series many</span></header>
        {labels.length === 0 ? <Empty title="No labels in this range." /> : (
          <div class="scroll-x" tabIndex={0}>
            <table class="table">
              <thead><tr><th>Label</th><th class="num">Values</th><th>Some of them</th><th><span class="sr">Ask</span></th></tr></thead>
              <tbody>
                {labels.map((label) => (
                  <tr key={label.name}>
                    <td class="mono data">{label.name}</td>
                    <td class="num">{label.values.length}{label.truncated ? "+" : ""}</td>
                    <td class="values">{label.values.slice(0, 8).map((value) => <a key={value} class="badge data" href={href("/metrics", { q: narrowed(query, label.name, value) })}>{value || "(none)"}</a>)}</td>
                    <td><a href={href("/metrics", { q: splitBy(query, label.name) })}>split by it</a></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {labels.some((l) => l.truncated) && <Notices>Of labels with more than {LIMITS.names} values the first {LIMITS.names} were asked for.</Notices>}
    </div>
  );
}
