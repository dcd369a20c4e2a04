// The whole trace, a span a line at most; drag over it to zoom, drag the edges to change the zoom.
import { useRef, useState } from "preact/hooks";
import { useCanvas } from "../../chart/canvas";
import type { Hues } from "../../lib/services";
import { faded, token } from "../../lib/theme";
import { formatNs } from "../../lib/units";
import { ERROR, type Trace } from "./model";
import { setZoom } from "./view";
import type { Zoom } from "./zoom";

const HEIGHT = 56;
/** How near an edge of the zoom is taken hold of, px. */
const GRIP = 6;
/** Errors that are marked where they are. */
const ERRORS_MAX = 120;

export function Minimap({ trace, zoom, colour }: { trace: Trace; zoom: Zoom; colour: Hues }) {
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const anchor = useRef<number | null>(null);
  const whole = Math.max(1, trace.durationNs);
  const isZoomed = zoom.from > 0 || zoom.to < whole;
  const canvas = useCanvas(({ ctx, width, height }) => {
    paint(ctx, trace, width, height, colour);
    const shade = (from: number, to: number) => {
      ctx.fillStyle = faded("--bg", 0.72);
      ctx.fillRect(0, 0, from, height);
      ctx.fillRect(to, 0, width - to, height);
      ctx.fillStyle = token("--accent");
      ctx.fillRect(from - 1, 0, 2, height);
      ctx.fillRect(to - 1, 0, 2, height);
    };
    if (drag) shade(Math.min(...drag), Math.max(...drag));
    else if (isZoomed) shade((zoom.from / whole) * width, (zoom.to / whole) * width);
  }, [trace, zoom.from, zoom.to, drag, colour]);

  const place = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return { x: Math.min(Math.max(event.clientX - box.left, 0), box.width), width: box.width };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const { x, width } = place(event);
    const [left, right] = [(zoom.from / whole) * width, (zoom.to / whole) * width];
    // An edge that is taken hold of moves; the other one is the anchor.
    if (isZoomed && Math.abs(x - left) <= GRIP) anchor.current = right;
    else if (isZoomed && Math.abs(x - right) <= GRIP) anchor.current = left;
    else anchor.current = x;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
  };
  const up = (event: PointerEvent) => {
    const { width } = place(event);
    if (drag && Math.abs(drag[1] - drag[0]) > 3) setZoom({ from: (Math.min(...drag) / width) * whole, to: (Math.max(...drag) / width) * whole }, whole);
    anchor.current = null;
    setDrag(null);
  };
  return (
    <div class="minimap">
      <div
        class="mini"
        role="img"
        aria-label={`The whole trace, ${formatNs(whole)}${isZoomed ? `; shown are ${formatNs(zoom.from)} to ${formatNs(zoom.to)}` : ""}. Drag to zoom.`}
        style={{ height: `${HEIGHT}px` }}
        onPointerDown={down}
        onPointerMove={(event) => anchor.current !== null && setDrag([anchor.current, place(event).x])}
        onPointerUp={up}
        onDblClick={() => setZoom(null, whole)}
      >
        <canvas ref={canvas} />
      </div>
      {isZoomed && (
        <button class="btn small unzoom" onClick={() => setZoom(null, whole)}>
          {formatNs(zoom.from)} – {formatNs(zoom.to)} · whole trace
        </button>
      )}
    </div>
  );
}

/** Draws each pixel of a line once per service, however many spans fall on it. */
function paint(ctx: CanvasRenderingContext2D, trace: Trace, width: number, height: number, colour: Hues) {
  const whole = Math.max(1, trace.durationNs);
  const inner = height - 6;
  const row = Math.min(3, inner / Math.max(trace.count, 1));
  const thick = Math.max(1, row * 0.7);
  const colours = trace.services.map((service) => token(colour(service).token));
  let last = { x: -1, y: -1, to: -1 };
  const errors: [number, number][] = [];
  for (let i = 0; i < trace.count; i++) {
    const x = (trace.start[i] / whole) * width;
    const to = x + Math.max(1, (trace.duration[i] / whole) * width);
    const y = 3 + Math.floor(Math.min(i * row, inner - 1));
    if (trace.flags[i] & ERROR) errors.push([x, y]);
    if (y === last.y && x >= last.x && to <= last.to) continue;
    last = { x, y, to };
    ctx.fillStyle = colours[trace.service[i]];
    ctx.fillRect(x, y, to - x, thick);
  }
  ctx.fillStyle = token("--err");
  // Many errors would cover the picture: they become ticks at its foot.
  const isMany = errors.length > ERRORS_MAX;
  const drawn = new Set<number>();
  for (const [x, y] of errors) {
    const at = Math.round(x);
    if (isMany && drawn.has(at)) continue;
    drawn.add(at);
    if (isMany) ctx.fillRect(at, height - 4, 1, 4);
    else ctx.fillRect(x - 1, y - 1, 3, 3);
  }
}
