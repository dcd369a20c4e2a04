// What the page shows of a trace, as the URL says it: the tab, the zoom, the span, the filter.
import { param, setParams } from "../../lib/router";
import type { Zoom } from "./zoom";

export type Tab = "waterfall" | "flame" | "map" | "table";
export const TABS: readonly { value: Tab; label: string }[] = [
  { value: "waterfall", label: "Waterfall" },
  { value: "flame", label: "Flame" },
  { value: "map", label: "Map" },
  { value: "table", label: "Table" },
];

export function tab(): Tab {
  const wanted = param("view");
  return TABS.find(({ value }) => value === wanted)?.value ?? "waterfall";
}

export function setZoom(zoom: Zoom | null, durationNs: number) {
  const isWhole = !zoom || (zoom.from <= 0 && zoom.to >= durationNs);
  if (isWhole) return setParams({ zoom: null }, { replace: true });
  const from = Math.max(0, Math.floor(zoom.from / 1e3));
  setParams({ zoom: `${from}-${Math.max(from + 1, Math.ceil(Math.min(zoom.to, durationNs) / 1e3))}` }, { replace: true });
}
