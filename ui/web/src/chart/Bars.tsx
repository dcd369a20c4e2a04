// A histogram over time, stacked by kind: log records by level, spans by status. Drag selects a time.
import { useRef, useState } from "preact/hooks";
import { faded, token } from "../lib/theme";
import { formatTick, formatTime, setSpan, zone, type Span } from "../lib/time";
import { format, formatCount } from "../lib/units";
import { axisTicks, timeTicks, useCanvas } from "./canvas";

export interface Layer {
  name: string;
  /** A colour token. */
  color: string;
  counts: readonly number[];
}

export interface BarsProps {
  startMs: number;
  stepMs: number;
  /** From the bottom up. */
  layers: readonly Layer[];
  label: string;
  height?: number;
  onSelect?: (span: Span) => void;
  /** A time that is marked, ms. */
  mark?: number | null;
}

const LEFT = 44;
const BOTTOM = 20;

export function Bars({ startMs, stepMs, layers, label, height = 90, onSelect = setSpan, mark }: BarsProps) {
  const count = layers[0]?.counts.length ?? 0;
  const [hover, setHover] = useState<number | null>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const dragging = useRef<number | null>(null);
  const sums = Array.from({ length: count }, (_, i) => layers.reduce((sum, layer) => sum + (layer.counts[i] ?? 0), 0));
  const max = Math.max(1, ...sums);
  const end = startMs + count * stepMs;
  const canvas = useCanvas(({ ctx, width, height: high }) => {
    const [inner, tall] = [width - LEFT - 4, high - BOTTOM - 4];
    ctx.font = '11px "Inter Variable", sans-serif';
    ctx.fillStyle = token("--fg-3");
    ctx.textAlign = "right";
    for (const tick of axisTicks(max, 2)) {
      const y = 4 + tall - (tick / max) * tall;
      ctx.fillText(format(tick), LEFT - 6, y + 4);
      ctx.fillStyle = token("--line");
      ctx.fillRect(LEFT, Math.round(y), inner, 1);
      ctx.fillStyle = token("--fg-3");
    }
    const wide = inner / Math.max(count, 1);
    const gap = wide > 4 ? 1 : 0;
    for (let i = 0; i < count; i++) {
      let y = 4 + tall;
      for (const layer of layers) {
        const size = ((layer.counts[i] ?? 0) / max) * tall;
        if (size === 0) continue;
        ctx.fillStyle = hover === i ? faded(layer.color, 0.8) : token(layer.color);
        // What is there is seen, however little it is.
        const seen = Math.max(size, 1);
        ctx.fillRect(LEFT + i * wide, y - seen, Math.max(wide - gap, 0.7), seen);
        y -= seen;
      }
    }
    ctx.textAlign = "center";
    ctx.fillStyle = token("--fg-3");
    const { at, step } = timeTicks(startMs, end, Math.max(2, inner / 90));
    for (const ms of at) ctx.fillText(formatTick(ms, step), LEFT + ((ms - startMs) / (end - startMs)) * inner, high - 5);
    if (mark && mark >= startMs && mark <= end) {
      ctx.fillStyle = token("--accent");
      ctx.fillRect(LEFT + ((mark - startMs) / (end - startMs)) * inner - 1, 0, 2, tall + 4);
    }
    if (drag) {
      ctx.fillStyle = faded("--accent", 0.2);
      ctx.fillRect(Math.min(...drag), 0, Math.abs(drag[1] - drag[0]), tall + 4);
    }
  }, [layers, startMs, stepMs, hover, drag, mark, height, zone.value]);

  const place = (event: PointerEvent) => {
    const at = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const x = Math.min(Math.max(event.clientX - at.left, LEFT), at.width - 4);
    return { x, part: (x - LEFT) / (at.width - LEFT - 4) };
  };
  const move = (event: PointerEvent) => {
    const { x, part } = place(event);
    setHover(Math.min(count - 1, Math.floor(part * count)));
    if (dragging.current !== null) setDrag([dragging.current, x]);
  };
  const up = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const timeOf = (x: number) => startMs + ((x - LEFT) / (box.width - LEFT - 4)) * (end - startMs);
    if (dragging.current !== null && drag && Math.abs(drag[1] - drag[0]) > 4) onSelect({ start: timeOf(Math.min(...drag)), end: timeOf(Math.max(...drag)) });
    else if (dragging.current !== null && hover !== null && stepMs >= 1000) onSelect({ start: startMs + hover * stepMs, end: startMs + (hover + 1) * stepMs });
    dragging.current = null;
    setDrag(null);
  };
  const shown = hover !== null && sums[hover] !== undefined ? hover : null;
  return (
    <div class="bars">
      <div
        role="img"
        aria-label={label}
        class="barsbox"
        style={{ height: `${height}px` }}
        onPointerMove={move}
        onPointerLeave={() => dragging.current === null && setHover(null)}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          dragging.current = place(event).x;
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerUp={up}
      >
        <canvas ref={canvas} />
      </div>
      {shown !== null && (
        <div class="barstip">
          <b>{formatTime(startMs + shown * stepMs)}</b> {formatCount(sums[shown])}
          {layers.filter((l) => l.counts[shown]).map((l) => (
            <span key={l.name}><i class="swatch" style={{ background: `var(${l.color})` }} /> {l.name} {formatCount(l.counts[shown])}</span>
          ))}
        </div>
      )}
    </div>
  );
}
