// The part of a trace that is shown, and its axis.
import { formatNs } from "../../lib/units";

/** A part of the trace in ns since its start. */
export interface Zoom {
  from: number;
  to: number;
}

/** Reads the zoom of the URL, whole µs; the whole trace when there is none. */
export function zoomOf(text: string, durationNs: number): Zoom {
  const whole = { from: 0, to: Math.max(1, durationNs) };
  const parts = /^(\d+)-(\d+)$/.exec(text);
  if (!parts) return whole;
  const [from, to] = [Number(parts[1]) * 1e3, Number(parts[2]) * 1e3];
  return to > from && from < whole.to ? { from, to: Math.min(to, whole.to) } : whole;
}

/** Round times across a zoom, ns. */
export function axis(zoom: Zoom, wanted: number): { at: number; label: string }[] {
  const size = zoom.to - zoom.from;
  const power = 10 ** Math.floor(Math.log10(size / wanted));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => size / n <= wanted) ?? size;
  const ticks = [];
  for (let at = Math.ceil(zoom.from / step) * step; at <= zoom.to; at += step) ticks.push({ at, label: at === 0 ? "0" : formatNs(at) });
  return ticks;
}
