// Time series: eight in colour, the rest grey context. Drag selects a time, the legend is a table beside
// it, and the values under the cursor are told to whoever wants them.
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { LIMITS } from "../lib/limits";
import type { Matrix } from "../lib/promql";
import { faded, themeTick, token } from "../lib/theme";
import { formatTick, setSpan, zone, type Span } from "../lib/time";
import { format, type Unit } from "../lib/units";
import { colourToken } from "../lib/palette";

export interface Threshold {
  value: number;
  label?: string;
}

export interface Mark {
  /** ms */
  at: number;
  label: string;
}

export interface Point {
  /** ms */
  at: number;
  value: number;
  onClick: () => void;
  label: string;
}

export interface LineChartProps {
  data: Matrix;
  /** Slot of colour per series, or null for context; as `rankSeries` gives it. */
  slots: readonly (number | null)[];
  /** Colours of single series, in place of their slot's: CSS. */
  strokes?: readonly (string | null)[];
  /** Bars in place of lines. */
  columns?: boolean;
  unit?: Unit;
  height?: number;
  /** What the picture shows, as a sentence. */
  label: string;
  thresholds?: readonly Threshold[];
  marks?: readonly Mark[];
  points?: readonly Point[];
  stacked?: boolean;
  fill?: boolean;
  min?: number;
  /** Which series is emphasised. */
  focus?: number | null;
  onHover?: (index: number | null) => void;
  /** A time was dragged over; without it the page's range becomes it. */
  onSelect?: (span: Span) => void;
  /** Charts of one key share their cursor. */
  sync?: string;
}

/** Chooses what is in colour: the highest by maximum. `only` puts those first. */
export function rankSeries(data: Matrix, only: ReadonlySet<number> = new Set()): { order: number[]; slots: (number | null)[] } {
  const highest = data.series.map(({ values }) => values.reduce<number>((max, v) => (v !== null && v > max ? v : max), -Infinity));
  const order = data.series.map((_, i) => i).sort((a, b) => Number(only.has(b)) - Number(only.has(a)) || highest[b] - highest[a] || a - b);
  const slots = new Array<number | null>(data.series.length).fill(null);
  order.slice(0, LIMITS.colours).forEach((series, slot) => (slots[series] = slot));
  return { order, slots };
}

/** Round steps of bytes are powers of two. */
const BYTE_STEPS = Array.from({ length: 55 }, (_, i) => 2 ** i);

function strokeOf(slot: number | null): string {
  return slot === null ? token("--c-ctx") : token(colourToken(slot));
}

function stack(series: Matrix["series"]): (number | null)[][] {
  const sums: number[] = [];
  return series.map(({ values }) => values.map((value, i) => (sums[i] = (sums[i] ?? 0) + (value ?? 0))));
}

export function LineChart(props: LineChartProps) {
  const { data, slots, unit = "short", height = 260, label, stacked = false, fill = false } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  // Context is drawn first, so that colours lie above it.
  const order = useMemo(() => {
    const all = data.series.map((_, i) => i);
    return stacked ? all.reverse() : all.sort((a, b) => Number(slots[a] !== null) - Number(slots[b] !== null));
  }, [data, slots, stacked]);
  const columns = useMemo(() => {
    const drawn = stacked ? stack(data.series) : data.series.map((s) => s.values);
    return [data.times, ...order.map((i) => drawn[i])] as uPlot.AlignedData;
  }, [data, order, stacked]);

  // What makes a new picture: anything else is given to the one that stands.
  const shape = `${data.series.length} ${slots.join()} ${props.strokes?.join() ?? ""} ${props.columns ?? false} ${stacked} ${fill} ${unit} ${height} ${themeTick.value} ${zone.value}`;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(options(latest, order, element.clientWidth, height), columns, element);
    plot.current = made;
    made.over.addEventListener("click", (event) => pointAt(made, latest.current.points, event)?.onClick());
    made.over.addEventListener("mousemove", (event) => {
      made.over.style.cursor = pointAt(made, latest.current.points, event) ? "pointer" : "";
    });
    const observer = new ResizeObserver(() => element.clientWidth > 0 && made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  const drawn = useRef<unknown>(null);
  useEffect(() => {
    if (drawn.current !== null && drawn.current !== columns) plot.current?.setData(columns);
    drawn.current = columns;
  }, [columns]);
  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.focus, props.marks, props.points, props.thresholds]);
  return <div ref={box} class="linechart" role="img" aria-label={label} style={{ height: `${height}px` }} />;
}

function options(latest: { current: LineChartProps }, order: number[], width: number, height: number): uPlot.Options {
  const { slots, strokes, columns: bars, unit = "short", stacked, fill, min, sync, data } = latest.current;
  const grid = { stroke: token("--line"), width: 1, size: 0 };
  const font = '11px "Inter Variable", sans-serif';
  const many = data.series.length > LIMITS.colours;
  return {
    width,
    height,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { show: false },
      sync: sync ? { key: sync, setSeries: false } : undefined,
      focus: { prox: 16 },
    },
    scales: {
      x: { time: true, range: () => [data.times[0] ?? 0, Math.max(data.times[data.times.length - 1] ?? 1, (data.times[0] ?? 0) + 1)] },
      y: {
        range: (_plot, low, high) => {
          if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
          const highest = Math.max(high, ...(latest.current.thresholds ?? []).map((t) => t.value));
          const bottom = min ?? (low >= 0 && low < highest * 0.6 ? 0 : low - (highest - low) * 0.08);
          const top = highest === bottom ? bottom + Math.abs(bottom || 1) : highest + (highest - bottom) * 0.06;
          return [bottom, top];
        },
      },
    },
    axes: [
      {
        stroke: token("--fg-3"), grid, ticks: { show: false }, font, gap: 4, size: 22,
        values: (_plot, at) => at.map((s) => formatTick(s * 1000, at.length > 1 ? (at[1] - at[0]) * 1000 : 60_000)),
      },
      {
        stroke: token("--fg-3"), grid, ticks: { show: false }, font, gap: 4,
        incrs: unit === "bytes" || unit === "bytes/s" ? BYTE_STEPS : undefined,
        size: (_plot, values) => 14 + Math.max(3, ...(values ?? []).map((v) => v.length)) * 6.4,
        values: (_plot, at) => at.map((value) => format(value, unit)),
      },
    ],
    series: [
      {},
      ...order.map((i) => {
        const stroke = strokes?.[i] ?? strokeOf(slots[i]);
        const area = stacked || (fill && data.series.length <= 3);
        return {
          stroke, paths: bars ? uPlot.paths.bars?.({ size: [0.8, 24] }) : undefined, width: slots[i] === null ? 1 : many ? 1.5 : 1.5, points: { show: onePoint(data.series[i].values) },
          fill: area && slots[i] !== null ? faded(colourToken(slots[i]!), stacked ? 0.75 : 0.15) : undefined,
          spanGaps: false,
        };
      }),
    ],
    hooks: {
      setSelect: [(u) => select(u, latest)],
      setCursor: [(u) => latest.current.onHover?.(u.cursor.idx ?? null)],
      draw: [(u) => annotate(u, latest.current)],
    },
  };
}

/** The exemplar under the cursor. */
function pointAt(u: uPlot, points: readonly Point[] | undefined, event: MouseEvent): Point | undefined {
  const box = u.over.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  return points?.find((p) => Math.hypot(u.valToPos(p.at / 1000, "x") - x, u.valToPos(p.value, "y") - y) < 8);
}

/** A single value between gaps is no line: it is shown as a point. */
function onePoint(values: readonly (number | null)[]): boolean {
  let known = 0;
  for (const value of values) if (value !== null && ++known > 1) return false;
  return known === 1;
}

function select(u: uPlot, latest: { current: LineChartProps }) {
  const { left, width } = u.select;
  if (width < 4) return;
  const span = { start: u.posToVal(left, "x") * 1000, end: u.posToVal(left + width, "x") * 1000 };
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  (latest.current.onSelect ?? setSpan)(span);
}

/** Draws thresholds, marks and exemplars above the lines. A leaked line width costs frames: save, restore. */
function annotate(u: uPlot, props: LineChartProps) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineWidth = ratio;
  ctx.textAlign = "left";
  ctx.font = `${11 * ratio}px "Inter Variable", sans-serif`;
  for (const { value, label } of props.thresholds ?? []) {
    const y = u.valToPos(value, "y", true);
    ctx.strokeStyle = ctx.fillStyle = token("--err");
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    line(ctx, bbox.left, y, bbox.left + bbox.width, y);
    ctx.textAlign = "left";
    if (label) ctx.fillText(label, bbox.left + 4 * ratio, y - 4 * ratio);
  }
  for (const { at, label } of props.marks ?? []) {
    const x = u.valToPos(at / 1000, "x", true);
    ctx.strokeStyle = ctx.fillStyle = token("--accent");
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    line(ctx, x, bbox.top, x, bbox.top + bbox.height);
    ctx.fillText(label, x + 4 * ratio, bbox.top + 11 * ratio);
  }
  ctx.setLineDash([]);
  ctx.fillStyle = token("--err");
  for (const { at, value } of props.points ?? []) {
    const [x, y, r] = [u.valToPos(at / 1000, "x", true), u.valToPos(value, "y", true), 4 * ratio];
    ctx.beginPath();
    ctx.moveTo(x, y - r);
    ctx.lineTo(x + r, y);
    ctx.lineTo(x, y + r);
    ctx.lineTo(x - r, y);
    ctx.fill();
  }
  ctx.restore();
}

function line(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}
