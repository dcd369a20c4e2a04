// How values are spread over time.
import { useMemo } from "preact/hooks";
import { Heatmap } from "../chart/Heatmap";
import { setSpan } from "../lib/time";
import { axisUnit, formatOf } from "./format";
import { cellsOf } from "./heat";
import { treeOf } from "./model";
import type { PanelProps } from "./registry";
import { TimeSeriesPanel } from "./TimeSeriesChart";

export function HeatmapPanel(props: PanelProps) {
  const { spec, panel, data, around, height } = props;
  const cells = useMemo(() => cellsOf(data.series, data.times.length), [data]);
  if (data.series.length === 0) return <p class="nodata muted">No data in this range.</p>;
  // Not buckets: lines say more than an empty picture.
  if (!cells) return <TimeSeriesPanel {...props} />;
  return (
    <Heatmap
      startMs={data.times[0] * 1000} stepMs={around.stepS * 1000} bounds={cells.bounds} counts={cells.counts} height={height}
      unit={axisUnit(formatOf(treeOf(spec, "yAxisFormat")))} label={`${panel.spec.display?.name || "Heatmap"}: ${cells.bounds.length} buckets over time`}
      onSelect={({ start, end }) => setSpan({ start, end })}
    />
  );
}
