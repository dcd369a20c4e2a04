// A list that draws only the rows in sight. Rows have one height; one frame per scroll. What would be
// higher than browsers can lay out is scaled.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

/** The highest element that every browser lays out. */
const HEIGHT_MAX = 15_000_000;
/** Rows drawn beyond the edges. */
export const OVERSCAN = 6;

export interface ListHandle {
  scrollTo: (row: number, where?: "nearest" | "start" | "center") => void;
  element: HTMLDivElement | null;
}

export interface VirtualListProps {
  count: number;
  rowHeight: number;
  render: (row: number) => ComponentChildren;
  label: string;
  role?: "table" | "grid" | "treegrid" | "list" | "log";
  class?: string;
  /** Draws again when this changes although the count is the same. */
  version?: unknown;
  handle?: { current: ListHandle | null };
  onRange?: (first: number, last: number) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  columns?: number;
  /** The id of the row that the keys move. */
  active?: string;
}

export function VirtualList(props: VirtualListProps) {
  const { count, rowHeight, render, label, role = "table", class: cls = "", handle, onRange } = props;
  const ref = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const total = count * rowHeight;
  const shown = Math.min(total, HEIGHT_MAX);
  // How many px of rows one px of scroll stands for.
  const scale = shown > view.height ? (total - view.height) / (shown - view.height) : 1;
  const offset = view.top * scale;
  const first = Math.max(0, Math.min(Math.floor(offset / rowHeight) - OVERSCAN, count));
  const last = Math.min(count, Math.ceil((offset + view.height) / rowHeight) + OVERSCAN);

  const frame = useRef(0);
  const measure = useCallback(() => {
    if (frame.current) return;
    frame.current = requestAnimationFrame(() => {
      frame.current = 0;
      const element = ref.current;
      if (element) setView((old) => (old.top === element.scrollTop && old.height === element.clientHeight ? old : { top: element.scrollTop, height: element.clientHeight }));
    });
  }, []);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);
  useEffect(() => onRange?.(first, last), [first, last]);
  if (handle) {
    handle.current = {
      element: ref.current,
      scrollTo: (row, where = "nearest") => {
        const element = ref.current;
        if (!element) return;
        const at = row * rowHeight;
        const top = element.scrollTop * scale;
        if (where === "nearest" && at >= top && at + rowHeight <= top + element.clientHeight) return;
        const wanted = where === "center" ? at - element.clientHeight / 2 : where === "start" || at < top ? at : at + rowHeight - element.clientHeight;
        element.scrollTop = Math.max(0, wanted) / scale;
        measure();
      },
    };
  }
  const ofRows = role === "table" || role === "grid" || role === "treegrid";
  const rows: ComponentChildren[] = [];
  for (let row = first; row < last; row++) rows.push(render(row));
  return (
    <div ref={ref} class={`vlist ${cls}`} role={role} aria-label={label} aria-rowcount={ofRows ? count : undefined} aria-colcount={props.columns} aria-activedescendant={props.active} tabIndex={0} onScroll={measure} onKeyDown={props.onKeyDown}>
      <div class="vspace" role="presentation" style={{ height: `${shown}px` }}>
        <div class="vwin" role={ofRows ? "rowgroup" : "presentation"} style={{ transform: `translateY(${first * rowHeight - offset + view.top}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}
