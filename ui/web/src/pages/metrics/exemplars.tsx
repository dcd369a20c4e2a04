// Exemplars of a question: points on the chart and a list, each the door to a trace that is stored.
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { seriesName, type Labels } from "../../lib/promql";
import { href } from "../../lib/router";
import { formatTime, from, range, tick, to } from "../../lib/time";
import { format, type Unit } from "../../lib/units";
import { Icon } from "../../ui/icons";
import { Popover } from "../../ui/parts";
import { metricIn } from "./names";

export interface Exemplar {
  traceId: string;
  value: number;
  /** ms */
  at: number;
  series: Labels;
}

interface Found {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

/** Exemplars shown at once; the highest values are the ones that a person wants to open. */
const SHOWN = 40;

export function useExemplars(query: string): Exemplar[] {
  const metric = metricIn(query);
  const wanted = metric !== null && /histogram|_bucket|latency|duration/.test(query);
  const { data } = useLoad(wanted ? `${query} ${from.value} ${to.value} ${tick.value}` : null, async (signal) => {
    try {
      const { data: found } = await ask<Found[]>("/api/v1/query_exemplars", { query: metric!, start: range.value.start / 1000, end: range.value.end / 1000 }, signal);
      const all = found.flatMap(({ seriesLabels, exemplars }) => exemplars.map((e) => ({ traceId: e.labels.trace_id ?? "", value: Number(e.value), at: e.timestamp * 1000, series: seriesLabels })));
      const list = all.filter((e) => e.traceId).sort((a, b) => b.value - a.value).slice(0, SHOWN);
      if (list.length === 0) return [];
      const { data: stored } = await ask<{ stored: string[] }>("/api/v1/traces/stored", { id: list.map((e) => e.traceId) }, signal);
      const kept = new Set(stored.stored);
      return list.filter((e) => kept.has(e.traceId));
    } catch {
      return []; // A chart without exemplars is whole.
    }
  });
  return data ?? [];
}

export function ExemplarList({ list, unit }: { list: readonly Exemplar[]; unit: Unit }) {
  if (list.length === 0) return null;
  return (
    <div class="exemplars">
      <Popover label={`${list.length} exemplars`} class="btn small" text={<>◆ {list.length} exemplar{list.length === 1 ? "" : "s"}</>}>
        {() => (
          <div class="menu">
            {list.map((one) => (
              <a key={`${one.traceId} ${one.at}`} href={href(`/traces/${one.traceId}`)} title={seriesName(one.series)}>
                <Icon name="trace" /> {format(one.value, unit)} <span class="muted">{formatTime(one.at)}</span>
              </a>
            ))}
          </div>
        )}
      </Popover>
    </div>
  );
}
