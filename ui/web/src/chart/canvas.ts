// A canvas that is as sharp as the screen, as wide as its place, and drawn again when the theme changes.
import { useEffect, useRef } from "preact/hooks";
import { themeTick } from "../lib/theme";

export interface Board {
  ctx: CanvasRenderingContext2D;
  /** CSS px */
  width: number;
  height: number;
}

/** Calls `draw` at each change of size, theme or `deps`. */
export function useCanvas(draw: (board: Board) => void, deps: readonly unknown[]) {
  const ref = useRef<HTMLCanvasElement>(null);
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    const canvas = ref.current;
    const parent = canvas?.parentElement;
    if (!canvas || !parent) return;
    const paint = () => {
      const [width, height] = [parent.clientWidth, parent.clientHeight];
      if (width === 0 || height === 0) return;
      const ratio = devicePixelRatio || 1;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      const ctx = canvas.getContext("2d");
      if (!ctx) return;
      ctx.save();
      ctx.scale(ratio, ratio);
      ctx.clearRect(0, 0, width, height);
      latest.current({ ctx, width, height });
      ctx.restore();
    };
    paint();
    const observer = new ResizeObserver(paint);
    observer.observe(parent);
    return () => observer.disconnect();
  }, [...deps, themeTick.value]);
  return ref;
}

/** Round values for an axis from 0 to `max`. */
export function axisTicks(max: number, wanted: number): number[] {
  if (!(max > 0)) return [0];
  const raw = max / wanted;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * size).find((n) => n >= raw) ?? raw;
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => i * step);
}

/** Round times for an axis, in ms. */
export function timeTicks(start: number, end: number, wanted: number): { at: number[]; step: number } {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const step = (steps.find((s) => s * 1000 >= (end - start) / wanted) ?? 2592000) * 1000;
  const at: number[] = [];
  for (let t = Math.ceil(start / step) * step; t <= end; t += step) at.push(t);
  return { at, step };
}
