// Counts over time and size (log-spaced bounds), darker where there is more; the scale is by rank of the
// square root, so that rare cells are seen beside a crowd. Drag selects a time and a band.
import { useRef, useState } from "preact/hooks";
import { faded, token } from "../lib/theme";
import { formatTick, formatTime, zone } from "../lib/time";
import { format, formatCount, type Unit } from "../lib/units";
import { timeTicks, useCanvas } from "./canvas";

export interface Area {
  start: number;
  end: number;
  low: number;
  high: number;
}

export interface HeatmapProps {
  startMs: number;
  stepMs: number;
  /** Upper bounds, ascending. */
  bounds: readonly number[];
  /** Per time, per bound. */
  counts: readonly (readonly number[])[];
  unit: Unit;
  label: string;
  height?: number;
  color?: string;
  onSelect?: (area: Area) => void;
}

const LEFT = 54;
const BOTTOM = 20;

export function Heatmap({ startMs, stepMs, bounds, counts, unit, label, height = 160, color = "--accent", onSelect }: HeatmapProps) {
  const [hover, setHover] = useState<[number, number] | null>(null);
  const [drag, setDrag] = useState<[number, number, number, number] | null>(null);
  const from = useRef<[number, number] | null>(null);
  const rows = bounds.length;
  const max = Math.max(1, ...counts.map((column) => Math.max(0, ...column)));
  const end = startMs + counts.length * stepMs;
  const canvas = useCanvas(({ ctx, width, height: high }) => {
    const [inner, tall] = [width - LEFT - 4, high - BOTTOM - 4];
    const [wide, row] = [inner / Math.max(counts.length, 1), tall / Math.max(rows, 1)];
    ctx.font = '11px "Inter Variable", sans-serif';
    ctx.fillStyle = token("--fg-3");
    ctx.textAlign = "right";
    const every = Math.max(1, Math.ceil(rows / Math.max(2, tall / 26)));
    for (let r = 0; r < rows; r += every) ctx.fillText(format(bounds[r], unit), LEFT - 6, 4 + tall - (r + 1) * row + 8);
    counts.forEach((column, t) => {
      column.forEach((count, r) => {
        if (count === 0) return;
        ctx.fillStyle = faded(color, 0.12 + 0.88 * Math.sqrt(count / max));
        ctx.fillRect(LEFT + t * wide, 4 + tall - (r + 1) * row, Math.max(wide - (wide > 4 ? 1 : 0), 0.7), Math.max(row - (row > 4 ? 1 : 0), 0.7));
      });
    });
    ctx.textAlign = "center";
    ctx.fillStyle = token("--fg-3");
    const { at, step } = timeTicks(startMs, end, Math.max(2, inner / 90));
    for (const ms of at) ctx.fillText(formatTick(ms, step), LEFT + ((ms - startMs) / (end - startMs)) * inner, high - 5);
    if (drag) {
      ctx.strokeStyle = token("--accent");
      ctx.fillStyle = faded("--accent", 0.15);
      const [x0, y0, x1, y1] = drag;
      ctx.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
      ctx.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
  }, [counts, bounds, startMs, stepMs, drag, height, color, zone.value]);

  const cell = (x: number, y: number, box: DOMRect): [number, number] => [
    Math.min(counts.length - 1, Math.max(0, Math.floor(((x - LEFT) / (box.width - LEFT - 4)) * counts.length))),
    Math.min(rows - 1, Math.max(0, Math.floor(((box.height - BOTTOM - y) / (box.height - BOTTOM - 4)) * rows))),
  ];
  const move = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    setHover(cell(x, y, box));
    if (from.current) setDrag([...from.current, x, y]);
  };
  const up = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    if (drag && onSelect && Math.abs(drag[2] - drag[0]) > 4) {
      const [a, b] = [cell(Math.min(drag[0], drag[2]), Math.max(drag[1], drag[3]), box), cell(Math.max(drag[0], drag[2]), Math.min(drag[1], drag[3]), box)];
      onSelect({ start: startMs + a[0] * stepMs, end: startMs + (b[0] + 1) * stepMs, low: a[1] === 0 ? 0 : bounds[a[1] - 1], high: bounds[b[1]] });
    }
    from.current = null;
    setDrag(null);
  };
  const count = hover ? counts[hover[0]]?.[hover[1]] : undefined;
  return (
    <div class="bars">
      <div
        role="img"
        aria-label={label}
        class="barsbox"
        style={{ height: `${height}px` }}
        onPointerMove={move}
        onPointerLeave={() => setHover(null)}
        onPointerDown={(event) => {
          if (event.button !== 0 || !onSelect) return;
          const box = event.currentTarget.getBoundingClientRect();
          from.current = [event.clientX - box.left, event.clientY - box.top];
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerUp={up}
      >
        <canvas ref={canvas} />
      </div>
      {hover && count !== undefined && counts[hover[0]] && (
        <div class="barstip">
          <b>{formatTime(startMs + hover[0] * stepMs)}</b> ≤ {format(bounds[hover[1]], unit)}: {formatCount(count)}
        </div>
      )}
    </div>
  );
}
