// How full something is: the number, and a bar up to its limit.
import { LIMITS } from "../lib/limits";
import { calculate } from "./calc";
import { formatOf, formatted, mapped, parts, stateOf } from "./format";
import { listOf, numberOf, textOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

/** The limit that nobody gave: what the unit says. */
export function topOf(unit: string, values: readonly (number | null)[]): number {
  if (unit === "percent-decimal") return 1;
  if (unit === "percent" || unit === "%") return 100;
  return Math.max(1e-9, ...values.map((value) => value ?? 0));
}

export function GaugePanel({ spec, data }: PanelProps) {
  const format = formatOf(treeOf(spec, "format"));
  const thresholds = treeOf(spec, "thresholds");
  const shown = data.series.slice(0, LIMITS.repeats).map((series) => ({ series, value: calculate(series.values, textOf(spec, "calculation")) }));
  const [min, max] = [numberOf(spec, "min") ?? 0, numberOf(spec, "max") ?? topOf(format.unit, shown.map(({ value }) => value))];
  if (shown.length === 0) return <p class="nodata muted">No data in this range.</p>;
  return (
    <div class={shown.length > 1 ? "stats many" : "stats"}>
      {shown.map(({ series, value }) => {
        const stands = mapped(value, listOf(spec, "mappings"));
        const [number, unit] = stands?.text !== undefined ? [stands.text, ""] : parts(value, format);
        const state = stands?.colour ?? stateOf(value, thresholds, max) ?? "--accent";
        const share = value === null || max <= min ? 0 : Math.max(0, Math.min(1, (value - min) / (max - min)));
        return (
          <div class="stat" key={`${series.query} ${series.name}`}>
            {shown.length > 1 && <span class="clip muted data">{series.name}</span>}
            <span class="value" style={state === "--err" || state === "--warn" ? { color: `var(${state})` } : undefined}>
              <span class="data">{number}</span>{unit && <small> {unit}</small>}
            </span>
            <span class="gaugebar" role="meter" aria-label={series.name || "value"} aria-valuemin={min} aria-valuemax={max} aria-valuenow={value ?? min} aria-valuetext={formatted(value, format)}>
              <i style={{ width: `${share * 100}%`, background: `var(${state === "--warn" ? "--warn-fill" : state})` }} />
            </span>
          </div>
        );
      })}
    </div>
  );
}
