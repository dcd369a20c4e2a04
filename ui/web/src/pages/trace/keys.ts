// The keys of the page, and what they do to the selected span.
import { useEffect, useRef } from "preact/hooks";
import { addShortcuts } from "../../lib/keys";
import { ERROR, type Trace } from "./model";
import { nextWhere, rowOf } from "./rows";
import type { Waterfall } from "./state";

export interface Moves {
  trace: Trace;
  fall: Waterfall;
  selected: number;
  select: (span: number) => void;
  leave: () => void;
}

/** The span `by` rows further; rows that only count are stepped over. */
export function stepRow({ fall, selected }: Moves, by: number): number {
  const { span } = fall.rows;
  if (span.length === 0) return -1;
  let row = selected < 0 ? (by > 0 ? -1 : span.length) : rowOf(fall.rows, selected);
  const direction = Math.sign(by);
  row = Math.min(span.length - 1, Math.max(0, row + by));
  while (row > 0 && row < span.length - 1 && span[row] < 0) row += direction;
  return span[row] < 0 ? selected : span[row];
}

/** Left: fold, or go to the parent. Right: unfold, or go to the first child. */
export function sideways(moves: Moves, direction: -1 | 1) {
  const { trace, fall, selected, select } = moves;
  if (selected < 0) return select(stepRow(moves, 1));
  const isFolded = fall.folded[selected] === 1 && trace.below[selected] > 0;
  if (direction < 0) {
    if (trace.below[selected] > 0 && !isFolded) fall.toggle(selected, true);
    else if (trace.parent[selected] >= 0) select(trace.parent[selected]);
  } else if (isFolded) fall.toggle(selected, false);
  else if (trace.below[selected] > 0) select(stepRow(moves, 1));
}

export function nextError({ trace, selected }: Moves, step: 1 | -1): number {
  return nextWhere(trace.count, selected < 0 && step < 0 ? 0 : selected, step, (i) => (trace.flags[i] & ERROR) !== 0);
}

export function nextFound({ trace, fall, selected }: Moves, step: 1 | -1): number {
  return fall.found ? nextWhere(trace.count, selected, step, (i) => fall.found![i] === 1) : -1;
}

export function useTraceKeys(moves: Moves) {
  const latest = useRef(moves);
  latest.current = moves;
  useEffect(() => {
    const go = (to: number) => to >= 0 && latest.current.select(to);
    return addShortcuts(
      { keys: "j", name: "Next span", run: () => go(stepRow(latest.current, 1)) },
      { keys: "k", name: "Span before", run: () => go(stepRow(latest.current, -1)) },
      { keys: "ArrowLeft", name: "Fold, or to the parent", run: () => sideways(latest.current, -1) },
      { keys: "ArrowRight", name: "Unfold, or to the first child", run: () => sideways(latest.current, 1) },
      { keys: "e", name: "Next error", run: () => go(nextError(latest.current, 1)) },
      { keys: "E", name: "Error before", run: () => go(nextError(latest.current, -1)) },
      { keys: "n", name: "Next that was found", run: () => go(nextFound(latest.current, 1)) },
      { keys: "N", name: "Found before", run: () => go(nextFound(latest.current, -1)) },
      { keys: "Escape", name: "Close the panel", run: () => latest.current.leave() },
    );
  }, []);
}

/** Keys of the tree grid itself. */
export function gridKey(moves: Moves, event: KeyboardEvent) {
  const page = Math.max(1, Math.floor((event.currentTarget as HTMLElement).clientHeight / 25) - 1);
  const by: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 };
  const rows = by[event.key];
  if (rows === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const to = stepRow(moves, rows);
  if (to >= 0) moves.select(to);
}
