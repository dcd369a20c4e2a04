// Groups the question by a label of its metric.
import { ask } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { useLoad } from "../../lib/load";
import { setParams } from "../../lib/router";
import { range } from "../../lib/time";
import { Popover } from "../../ui/parts";
import { metricIn } from "./names";

const AGGREGATION = /^(\s*(?:histogram_quantile\s*\([^,]+,\s*)?(?:sum|avg|min|max|count|group|stddev|stdvar))\s*(?:(?:by|without)\s*\([^)]*\)\s*)?\(/i;

/** Puts `by (label)` into the outermost aggregation, or puts one around. */
export function splitBy(query: string, label: string | null): string {
  const found = AGGREGATION.exec(query);
  const isHistogram = /^\s*histogram_quantile/i.test(query) && /_bucket/.test(query);
  if (found) {
    const labels = [...(isHistogram ? ["le"] : []), ...(label ? [label] : [])];
    return `${found[1]}${labels.length > 0 ? ` by (${labels.join(", ")})` : ""} (${query.slice(found[0].length)}`;
  }
  return label ? `avg by (${label}) (${query})` : query;
}

export function SplitBy({ query }: { query: string }) {
  const metric = metricIn(query);
  if (!metric) return null;
  return (
    <Popover label="Split by a label" class="btn small" text="Split by">
      {(close) => <Labels metric={metric} onPick={(label) => { setParams({ q: splitBy(query, label) }); close(); }} />}
    </Popover>
  );
}

function Labels({ metric, onPick }: { metric: string; onPick: (label: string | null) => void }) {
  const { data, error } = useLoad(metric, async (signal) => {
    const match = [`{__name__=~${JSON.stringify(`${metric.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(_bucket)?`)}}`];
    return (await ask<string[]>("/api/v1/labels", { "match[]": match, start: range.value.start / 1000, end: range.value.end / 1000, limit: LIMITS.names }, signal)).data;
  });
  if (error) return <span class="muted">{error.message}</span>;
  return (
    <div class="menu">
      <button onClick={() => onPick(null)}>Nothing: all together</button>
      {data?.filter((label) => label !== "__name__" && label !== "le").map((label) => <button key={label} class="mono data" onClick={() => onPick(label)}>{label}</button>)}
    </div>
  );
}
