// A flame graph over time on a canvas that is as large as its place and shows the part that is scrolled
// to. What is narrower than a pixel is drawn once.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { faded, token } from "../lib/theme";
import { useCanvas } from "./canvas";
import { flameRows, spanAt } from "./flameLayout";

const ROW = 19;
const PAD = 12;

export interface FlameProps {
  start: Float64Array;
  duration: Float64Array;
  parent: Int32Array;
  /** A colour token. */
  colour: (span: number) => string;
  /** Its colour is another one's, too: it is drawn with stripes. */
  isStriped: (span: number) => boolean;
  text: (span: number) => string;
  isError: (span: number) => boolean;
  /** 1 where a search finds; the others are faded. */
  found?: Uint8Array | null;
  selected: number;
  from: number;
  to: number;
  label: string;
  onSelect: (span: number) => void;
  /** A double click on a span, or the wheel with Ctrl. */
  onZoom: (from: number, to: number) => void;
  tip: (span: number) => ComponentChildren;
}

export function Flame(props: FlameProps) {
  const { start, duration, parent, from, to, selected, found, label } = props;
  const rows = useMemo(() => flameRows(start, duration, parent), [start, duration, parent]);
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [hover, setHover] = useState(-1);
  const canvas = useCanvas(({ ctx, width, height }) => paint(ctx, props, rows, { width, height, top }), [start, from, to, selected, found, top, rows, hover, props.colour]);
  useEffect(() => {
    const element = box.current;
    if (!element || selected < 0) return;
    const y = rows.row[selected] * ROW;
    if (y < element.scrollTop || y > element.scrollTop + element.clientHeight - ROW) element.scrollTop = Math.max(0, y - element.clientHeight / 2);
  }, [selected, rows]);
  const at = (event: MouseEvent) => {
    const place = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const perPx = (to - from) / Math.max(1, place.width - 2 * PAD);
    const time = from + (event.clientX - place.left - PAD) * perPx;
    const row = Math.floor((event.clientY - place.top + top) / ROW);
    return { time, span: spanAt(rows, start, duration, row, time, perPx * 1.5) };
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const { time } = at(event);
    const by = event.deltaY > 0 ? 1.25 : 0.8;
    props.onZoom(time - (time - from) * by, time + (to - time) * by);
  };
  return (
    <div class="flamebox">
      <div ref={box} class="flamescroll" tabIndex={0} role="img" aria-label={label} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div class="flameview" onPointerMove={(event) => setHover(at(event).span)} onPointerLeave={() => setHover(-1)} onClick={(event) => props.onSelect(at(event).span)} onWheel={wheel}
          onDblClick={(event) => {
            const { span } = at(event);
            if (span >= 0) props.onZoom(start[span], start[span] + Math.max(duration[span], 1000));
          }}>
          <canvas ref={canvas} />
        </div>
        <div style={{ height: `max(0px, calc(${rows.count * ROW + 8}px - 100%))` }} />
      </div>
      {hover >= 0 && <div class="barstip">{props.tip(hover)}</div>}
    </div>
  );
}

interface View {
  width: number;
  height: number;
  top: number;
}

function paint(ctx: CanvasRenderingContext2D, props: FlameProps, rows: ReturnType<typeof flameRows>, { width, height, top }: View) {
  const { start, duration, from, to, selected, found } = props;
  const scale = (width - 2 * PAD) / Math.max(1, to - from);
  const [first, last] = [Math.floor(top / ROW) - 1, Math.ceil((top + height) / ROW)];
  const until = new Float64Array(rows.count).fill(-Infinity);
  const inks = new Map<string, string>();
  ctx.font = '11px "Inter Variable", sans-serif';
  ctx.textBaseline = "middle";
  ctx.save();
  ctx.beginPath();
  ctx.rect(PAD - 1, 0, width - 2 * PAD + 2, height);
  ctx.clip();
  for (let i = 0; i < start.length; i++) {
    const row = rows.row[i];
    if (row < first || row > last) continue;
    const end = start[i] + duration[i];
    if (end < from || start[i] > to) continue;
    const x = PAD + (Math.max(start[i], from) - from) * scale;
    const right = PAD + (Math.min(end, to) - from) * scale;
    const isError = props.isError(i);
    // Where less than a pixel is new, nothing would be seen; errors always are.
    if (right - until[row] < 0.7 && right - x < 0.7 && !isError && i !== selected) continue;
    until[row] = Math.max(until[row], right);
    drawSpan(ctx, props, i, { x, y: row * ROW - top, wide: Math.max(1, right - x - 0.5), isError, isFaint: found != null && found[i] === 0 }, inks);
  }
  ctx.restore();
}

interface Place {
  x: number;
  y: number;
  wide: number;
  isError: boolean;
  isFaint: boolean;
}

function drawSpan(ctx: CanvasRenderingContext2D, props: FlameProps, i: number, { x, y, wide, isError, isFaint }: Place, inks: Map<string, string>) {
  const colour = token(props.colour(i));
  ctx.globalAlpha = isFaint ? 0.25 : 1;
  ctx.fillStyle = colour;
  ctx.fillRect(x, y + 1, wide, ROW - 2);
  if (props.isStriped(i)) {
    ctx.fillStyle = faded("--bg-1", 0.3);
    for (let at = 3; at + 2 < wide; at += 7) ctx.fillRect(x + at, y + 1, 2, ROW - 2);
  }
  if (isError) {
    ctx.fillStyle = token("--bg-1");
    ctx.fillRect(x, y + ROW - 5, wide, 4);
    ctx.fillStyle = token("--err");
    ctx.fillRect(x, y + ROW - 4, wide, 3);
  }
  if (wide > 34) {
    let ink = inks.get(colour);
    if (!ink) inks.set(colour, (ink = inkOn(colour)));
    ctx.fillStyle = ink;
    ctx.fillText(fitted(ctx, `${isError ? "▲ " : ""}${props.text(i)}`, wide - 8), x + 4, y + ROW / 2 - (isError ? 1 : 0));
  }
  ctx.globalAlpha = 1;
  if (i === props.selected) {
    ctx.lineWidth = 2;
    ctx.strokeStyle = token("--bg-1");
    ctx.strokeRect(x + 2, y + 3, Math.max(1, wide - 4), ROW - 6);
    ctx.strokeStyle = token("--fg");
    ctx.strokeRect(x, y + 1, wide, ROW - 2);
  }
}

/** Cuts a text to a width, by the average letter first: measuring each letter costs frames. */
function fitted(ctx: CanvasRenderingContext2D, text: string, wide: number): string {
  const room = Math.floor(wide / 5.2);
  let cut = text.length > room ? text.slice(0, room) : text;
  while (cut.length > 1 && ctx.measureText(cut).width > wide) cut = cut.slice(0, -1);
  return cut.length < text.length ? `${cut.slice(0, -1)}…` : cut;
}

/** Black or white, whichever is legible on a colour. */
export function inkOn(rgb: string): string {
  const [r, g, b] = (rgb.match(/[\d.]+/g) ?? ["0", "0", "0"]).map((part) => {
    const c = Number(part) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 ? "#ffffff" : "#000000";
}
