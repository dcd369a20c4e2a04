// Shares of a whole, with the numbers in a list: areas alone are hard to compare.
import { LIMITS } from "../lib/limits";
import { colourToken } from "../lib/palette";
import { calculate } from "./calc";
import { formatOf, formatted } from "./format";
import { textOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

interface Slice {
  name: string;
  value: number;
  colour: string;
}

function slices({ data, spec }: PanelProps): Slice[] {
  const all = data.series.map((series) => ({ name: series.name, value: Math.max(0, calculate(series.values, textOf(spec, "calculation")) ?? 0) })).sort((a, b) => b.value - a.value);
  const top = all.slice(0, LIMITS.colours).map((one, i) => ({ ...one, colour: `var(${colourToken(i)})` }));
  const rest = all.slice(LIMITS.colours).reduce((sum, one) => sum + one.value, 0);
  return rest > 0 ? [...top, { name: `${all.length - LIMITS.colours} others`, value: rest, colour: "var(--c-ctx)" }] : top;
}

const point = (share: number, radius: number) => `${(50 + radius * Math.sin(share * 2 * Math.PI)).toFixed(2)} ${(50 - radius * Math.cos(share * 2 * Math.PI)).toFixed(2)}`;

function path(from: number, to: number, hole: number): string {
  const end = Math.min(to, from + 0.9999);
  const large = end - from > 0.5 ? 1 : 0;
  const outer = `M${point(from, 48)}A48 48 0 ${large} 1 ${point(end, 48)}`;
  return hole === 0 ? `${outer}L50 50Z` : `${outer}L${point(end, hole)}A${hole} ${hole} 0 ${large} 0 ${point(from, hole)}Z`;
}

export function PiePanel(props: PanelProps) {
  const { spec, panel, height, width } = props;
  const all = slices(props);
  const sum = all.reduce((total, one) => total + one.value, 0);
  const format = formatOf(treeOf(spec, "format"));
  if (sum === 0) return <p class="nodata muted">No data in this range.</p>;
  const size = Math.max(60, Math.min(height, width / 2.4));
  let from = 0;
  return (
    <div class="pie">
      <svg width={size} height={size} viewBox="0 0 100 100" role="img" aria-label={`${panel.spec.display?.name || "Shares"}: ${all[0].name} ${Math.round((all[0].value / sum) * 100)} %`}>
        {all.map((one) => {
          const start = from;
          from += one.value / sum;
          return <path key={one.name} d={path(start, from, spec.donut === true ? 30 : 0)} fill={one.colour} stroke="var(--bg-1)" stroke-width="0.8" />;
        })}
      </svg>
      <div class="panelscroll" tabIndex={0} role="group" aria-label="Shares">
        <table class="barrows">
          <tbody>
            {all.map((one) => (
              <tr key={one.name}>
                <th scope="row" class="clip data"><i class="swatch" style={{ background: one.colour }} /> {one.name}</th>
                {width >= 400 && <td class="num">{formatted(one.value, format)}</td>}
                <td class="num">{Math.round((one.value / sum) * 100)} %</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
