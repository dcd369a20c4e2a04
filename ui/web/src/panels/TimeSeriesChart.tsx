// Lines over time, with a legend that says what each one is and its value under the cursor.
import { useMemo, useState } from "preact/hooks";
import { LineChart, rankSeries } from "../chart/LineChart";
import { LIMITS } from "../lib/limits";
import { colourToken } from "../lib/palette";
import { calcName, calculate } from "./calc";
import { axisUnit, formatOf, formatted } from "./format";
import { listOf, numberOf, textOf, treeOf, type Tree } from "./model";
import { overrideOf } from "./overrides";
import type { PanelProps } from "./registry";
import type { NamedSeries, PanelData } from "./data";

interface Prepared {
  series: NamedSeries[];
  strokes: (string | null)[];
}

/** Applies overrides: hidden ones go, negative ones point down. */
function prepare(data: PanelData, spec: Tree): Prepared {
  const series: NamedSeries[] = [];
  const strokes: (string | null)[] = [];
  for (const one of data.series) {
    const own = overrideOf(spec, one.name, one.query);
    if (own.hide === true) continue;
    series.push(own.negative === true ? { ...one, values: one.values.map((value) => (value === null ? null : -value)) } : one);
    const colour = textOf(own, "color");
    strokes.push(colour && /^#[0-9a-f]{3,8}$/i.test(colour) ? colour : null);
  }
  return { series, strokes };
}

export function TimeSeriesPanel({ spec, panel, data, width, height }: PanelProps) {
  const [at, setAt] = useState<number | null>(null);
  const [picked, setPicked] = useState<ReadonlySet<number>>(new Set());
  const { series, strokes } = useMemo(() => prepare(data, spec), [data, spec]);
  const matrix = useMemo(() => ({ times: data.times, series }), [data.times, series]);
  const { order, slots } = useMemo(() => rankSeries(matrix, picked), [matrix, picked]);
  const visual = treeOf(spec, "visual");
  const axis = treeOf(spec, "yAxis");
  const format = formatOf(treeOf(axis, "format"));
  const legend = treeOf(spec, "legend");
  const wanted = Array.isArray(legend?.values) ? legend.values.filter((one): one is string => typeof one === "string") : [];
  const stacked = textOf(visual, "stack") === "all" || textOf(visual, "stack") === "percent";
  const aside = textOf(legend, "position") === "right" && width > 480;
  const lines = legend && series.length > 0 && height > 110 ? (aside ? series.length : Math.min(order.length, LIMITS.colours)) : 0;
  const below = lines === 0 || aside ? 0 : Math.min(24 * Math.ceil(lines / Math.max(1, Math.floor(width / 190))), height * 0.4);
  const limits = listOf(treeOf(spec, "thresholds"), "steps").flatMap((step) => (numberOf(step, "value") === undefined ? [] : [{ value: numberOf(step, "value")! }]));
  const name = panel.spec.display?.name || "Time series";
  const toggle = (i: number) => setPicked((old) => {
    const next = new Set(old);
    if (!next.delete(i)) next.add(i);
    return next;
  });
  if (series.length === 0) return <p class="nodata muted">No data in this range.</p>;
  return (
    <div class={aside ? "tschart aside" : "tschart"}>
      <LineChart
        data={matrix} slots={slots} strokes={strokes} columns={textOf(visual, "display") === "bar"} unit={axisUnit(format)} height={Math.max(60, Math.floor(height - below))}
        label={`${name}: ${series.length} series, highest ${formatted(calculate(series[order[0]]?.values ?? [], "max"), format)}`}
        stacked={stacked} fill={(numberOf(visual, "areaOpacity") ?? 0) > 0} min={numberOf(axis, "min")} thresholds={limits} onHover={setAt} sync="board"
      />
      {lines > 0 && (
        <ul class="legend" style={aside ? { maxHeight: `${height}px` } : { height: `${below}px` }}>
          {order.slice(0, aside ? LIMITS.chartSeries : LIMITS.colours).map((i) => {
            const one = series[i];
            const shown = at !== null ? one.values[at] ?? null : calculate(one.values, wanted[0] ?? "last-number");
            const colour = strokes[i] ?? (slots[i] === null ? "var(--c-ctx)" : `var(${colourToken(slots[i])})`);
            return (
              <li key={i}>
                <button type="button" aria-pressed={picked.has(i)} title={`${one.name}${wanted.map((how) => ` · ${calcName[how] ?? how} ${formatted(calculate(one.values, how), format)}`).join("")}`} onClick={() => toggle(i)}>
                  <i class="swatch" style={{ background: colour }} />
                  <span class="clip data">{one.name}</span>
                  <span class="num">{formatted(shown, format)}</span>
                </button>
              </li>
            );
          })}
          {!aside && order.length > LIMITS.colours && <li class="muted">and {order.length - LIMITS.colours} more in grey</li>}
        </ul>
      )}
    </div>
  );
}

