// A line the size of a word: SVG, no axes, an area below.
import { useMemo } from "preact/hooks";

export interface SparkProps {
  values: readonly (number | null)[];
  /** A colour token. */
  color?: string;
  width?: number;
  height?: number;
  fill?: boolean;
  /** What the picture shows; without it the picture is decoration beside its number. */
  label?: string;
  max?: number;
}

export function Spark({ values, color = "--c1", width = 120, height = 22, fill = true, label, max }: SparkProps) {
  const { stroke, area } = useMemo(() => paths(values, width, height, max), [values, width, height, max]);
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : "true"}>
      {fill && <path d={area} style={{ fill: `var(${color})`, fillOpacity: 0.15 }} />}
      <path d={stroke} style={{ stroke: `var(${color})`, fill: "none", strokeWidth: 1.2 }} vector-effect="non-scaling-stroke" />
    </svg>
  );
}

function paths(values: readonly (number | null)[], width: number, height: number, most?: number) {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  if (known.length === 0) return { stroke: "", area: "" };
  const max = Math.max(most ?? -Infinity, ...known);
  const min = Math.min(0, ...known);
  const size = max - min || 1;
  const x = (i: number) => ((i / Math.max(values.length - 1, 1)) * width).toFixed(1);
  const y = (v: number) => (height - 1 - ((v - min) / size) * (height - 3)).toFixed(1);
  let stroke = "";
  let area = "";
  let begun = -1;
  values.forEach((value, i) => {
    const isValue = value !== null && Number.isFinite(value);
    if (isValue) {
      stroke += `${begun < 0 ? "M" : "L"}${x(i)} ${y(value)}`;
      area += begun < 0 ? `M${x(i)} ${height}L${x(i)} ${y(value)}` : `L${x(i)} ${y(value)}`;
      if (begun < 0) begun = i;
    }
    if (begun >= 0 && (!isValue || i === values.length - 1)) {
      area += `L${x(isValue ? i : i - 1)} ${height}Z`;
      begun = -1;
    }
  });
  return { stroke, area };
}
