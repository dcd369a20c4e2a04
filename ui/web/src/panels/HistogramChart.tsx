// How often values of each size occurred, over the whole range.
import { useMemo } from "preact/hooks";
import { formatCount } from "../lib/units";
import { formatOf, formatted } from "./format";
import { cellsOf, histogramOf } from "./heat";
import { numberOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

interface Bar {
  label: string;
  count: number;
}

export function HistogramPanel({ spec, panel, data, height }: PanelProps) {
  const format = formatOf(treeOf(spec, "format"));
  const bars = useMemo((): Bar[] => {
    const cells = data.series.some(({ labels }) => labels.le !== undefined) ? cellsOf(data.series, data.times.length) : null;
    if (cells) return cells.bounds.map((bound, b) => ({ label: `≤ ${formatted(bound, format)}`, count: cells.counts.reduce((sum, column) => sum + column[b], 0) }));
    const values = data.series.flatMap((series) => series.values).filter((value): value is number => value !== null && Number.isFinite(value));
    const found = histogramOf(values, numberOf(spec, "buckets") ?? 30, numberOf(spec, "bucketSize"));
    return found?.counts.map((count, i) => ({ label: `${formatted(found.from + i * found.width, format)} – ${formatted(found.from + (i + 1) * found.width, format)}`, count })) ?? [];
  }, [data, spec]);
  const max = bars.reduce((most, { count }) => Math.max(most, count), 0);
  if (max === 0) return <p class="nodata muted">No data in this range.</p>;
  const every = Math.max(1, Math.ceil(bars.length / 6));
  return (
    <div class="histogram" role="img" aria-label={`${panel.spec.display?.name || "Histogram"}: most often ${bars.find(({ count }) => count === max)?.label}`} style={{ height: `${height}px` }}>
      {bars.map(({ label, count }, i) => (
        <div key={label} title={`${label}: ${formatCount(count)}`}>
          <i style={{ height: `${(count / max) * Math.max(10, height - 22)}px` }} />
          <small>{i % every === 0 ? label : ""}</small>
        </div>
      ))}
    </div>
  );
}
