// The state of the waterfall that no link carries: which rows are folded. Everything else is in the URL.
import { useMemo, useState } from "preact/hooks";
import { param } from "../../lib/router";
import type { Trace } from "./model";
import { criticalAndErrors, findSpans, foldBelow, foldServices, reveal, visibleRows, type Rows, type Searchable } from "./rows";

/** Traces with more spans begin folded inside each service. */
export const FOLD_FROM = 5_000;
/** …where at least so many rows are left. */
const ROWS_LEFT = 30;

export type Fold = "none" | "services" | "all";

export interface Waterfall {
  rows: Rows;
  folded: Uint8Array;
  found: Uint8Array | null;
  foundCount: number;
  toggle: (span: number, to?: boolean) => void;
  fold: (how: Fold) => void;
  reveal: (span: number) => void;
}

function foldedBy(trace: Trace, how: Fold): Uint8Array {
  return how === "services" ? foldServices(trace) : how === "all" ? foldBelow(trace, 1) : new Uint8Array(trace.count);
}

export function initialFold(trace: Trace): Fold {
  const wanted = param("fold");
  if (wanted === "none" || wanted === "services" || wanted === "all") return wanted;
  if (trace.count <= FOLD_FROM) return "none";
  // A trace of one or two services would be folded to nothing.
  return visibleRows(trace, foldServices(trace), null).span.length >= ROWS_LEFT ? "services" : "none";
}

export function useWaterfall(trace: Trace, text: string, onlyPath: boolean, details: readonly Searchable[] | null): Waterfall {
  const [state, setState] = useState<{ trace: Trace | null; folded: Uint8Array }>(() => ({ trace: null, folded: new Uint8Array(0) }));
  const initial = useMemo(() => foldedBy(trace, initialFold(trace)), [trace]);
  const folded = state.trace === trace ? state.folded : initial;
  const change = (next: Uint8Array) => setState({ trace, folded: next });
  const keep = useMemo(() => (onlyPath ? criticalAndErrors(trace) : null), [trace, onlyPath]);
  const rows = useMemo(() => visibleRows(trace, folded, keep), [trace, folded, keep]);
  const found = useMemo(() => (text.trim() ? findSpans(trace, text, details) : null), [trace, text, details]);
  const foundCount = useMemo(() => found?.reduce((sum, one) => sum + one, 0) ?? 0, [found]);
  return {
    rows, folded, found, foundCount,
    toggle: (span, to) => {
      const next = folded.slice();
      next[span] = Number(to ?? !next[span]);
      change(next);
    },
    fold: (how) => change(foldedBy(trace, how)),
    reveal: (span) => {
      const next = folded.slice();
      if (reveal(trace, next, span)) change(next);
    },
  };
}
