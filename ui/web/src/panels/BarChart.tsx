// Series beside each other: name, bar, number; the greatest first.
import { LIMITS } from "../lib/limits";
import { calculate } from "./calc";
import { formatOf, formatted, mapped, stateOf } from "./format";
import { topOf } from "./GaugeChart";
import { listOf, numberOf, textOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

export function BarPanel({ spec, data }: PanelProps) {
  const format = formatOf(treeOf(spec, "format"));
  const thresholds = treeOf(spec, "thresholds");
  const rows = data.series.map((series) => ({ series, value: calculate(series.values, textOf(spec, "calculation")) }));
  if (textOf(spec, "sort") !== "none") rows.sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity));
  if (textOf(spec, "sort") === "asc") rows.reverse();
  const max = numberOf(spec, "max") ?? topOf(format.unit, rows.map(({ value }) => value));
  if (rows.length === 0) return <p class="nodata muted">No data in this range.</p>;
  return (
    <div class="panelscroll" tabIndex={0} role="group" aria-label="Bars">
      <table class="barrows">
        <tbody>
          {rows.slice(0, LIMITS.chartSeries).map(({ series, value }) => {
            const stands = mapped(value, listOf(spec, "mappings"));
            const state = stands?.colour ?? stateOf(value, thresholds, max) ?? "--accent";
            return (
              <tr key={`${series.query} ${series.name}`}>
                <th scope="row" class="clip data" title={series.name}>{series.name}</th>
                <td><span class="gaugebar"><i style={{ width: `${Math.max(0, Math.min(1, (value ?? 0) / max)) * 100}%`, background: `var(${state === "--warn" ? "--warn-fill" : state})` }} /></span></td>
                <td class="num">{stands?.text ?? formatted(value, format)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
