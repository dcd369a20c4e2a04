// One number of each series, its state in colour, and how it came there as a small line.
import { Spark } from "../chart/Spark";
import { LIMITS } from "../lib/limits";
import { calculate } from "./calc";
import { formatOf, mapped, parts, stateOf } from "./format";
import { listOf, textOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

export function StatPanel({ spec, data, height }: PanelProps) {
  const format = formatOf(treeOf(spec, "format"));
  const how = textOf(spec, "calculation");
  const mappings = listOf(spec, "mappings");
  const mode = textOf(spec, "colorMode") ?? "value";
  const [text, background] = [textOf(spec, "textMode") ?? "", mode === "background"];
  const shown = data.series.slice(0, LIMITS.repeats);
  if (shown.length === 0) return <p class="nodata muted">{textOf(spec, "noValue") ?? "No data in this range."}</p>;
  return (
    <div class={shown.length > 1 ? "stats many" : "stats"}>
      {shown.map((series) => {
        const value = calculate(series.values, how);
        const stands = mapped(value, mappings);
        const state = stands?.colour ?? stateOf(value, treeOf(spec, "thresholds"));
        const [number, unit] = stands?.text !== undefined ? [stands.text, ""] : parts(value, format);
        const line = treeOf(spec, "sparkline") !== undefined && height >= 60 && shown.length === 1 && series.values.length > 2;
        const colour = state && state !== "--ok" && mode !== "none" ? state : "--accent";
        return (
          <div class={background && state ? `stat filled ${state.slice(2)}` : "stat"} key={`${series.query} ${series.name}`}>
            {(shown.length > 1 || text !== "") && <span class="clip muted data">{series.name}</span>}
            {text !== "name" && (
              <span class="value" style={mode !== "none" && state && state !== "--ok" ? { color: `var(${state})` } : undefined}>
                {textOf(spec, "prefix")}<span class="data">{number}</span>{unit && <small> {unit}</small>}{textOf(spec, "postfix")}
              </span>
            )}
            {line && <Spark values={series.values} color={colour} width={300} height={Math.max(16, Math.min(44, height - 46))} />}
          </div>
        );
      })}
    </div>
  );
}
