// The traces that were found: one line each, drawn only while in sight.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addShortcuts } from "../../lib/keys";
import { href, navigate, setParams } from "../../lib/router";
import type { Hues } from "../../lib/services";
import { visible } from "../../lib/text";
import { formatTime } from "../../lib/time";
import { formatCount, formatNs } from "../../lib/units";
import { VirtualList, type ListHandle } from "../../ui/VirtualList";
import { startMs, type Found } from "./model";

const ROW = 27;
/** Services of a trace that are drawn as swatches; the others are counted. */
const SWATCHES = 10;

export function List({ list, hues, picked, onPick }: { list: readonly Found[]; hues: Hues; picked: readonly string[]; onPick: (id: string) => void }) {
  const [at, setAt] = useState(-1);
  const handle = useRef<ListHandle | null>(null);
  const longest = useMemo(() => Math.max(1, ...list.map((one) => one.duration_ns)), [list]);
  const latest = useRef({ at, list });
  latest.current = { at, list };
  const go = (to: number) => {
    const next = Math.min(latest.current.list.length - 1, Math.max(0, to));
    setAt(next);
    handle.current?.scrollTo(next);
  };
  const open = (one: Found | undefined) => one && navigate(`/traces/${one.trace_id}`, {});
  useEffect(
    () =>
      addShortcuts(
        { keys: "j", name: "Next trace", run: () => go(latest.current.at + 1) },
        { keys: "k", name: "Trace before", run: () => go(latest.current.at - 1) },
        { keys: "o", name: "Open the trace", run: () => open(latest.current.list[latest.current.at]) },
        { keys: "x", name: "Pick the trace for a comparison", run: () => latest.current.list[latest.current.at] && onPick(latest.current.list[latest.current.at].trace_id) },
      ),
    [],
  );
  const keyed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -1e9, End: 1e9 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      go(at + step);
    } else if (event.key === "Enter" && event.target === handle.current?.element) open(list[at]);
  };
  return (
    <div class="tlist">
      <div class="trow thead" aria-hidden="true">
        <span />
        <span>Start</span>
        <span>Root</span>
        <span>Duration</span>
        <span class="num">Spans</span>
        <span class="num">Errors</span>
        <span>Services</span>
      </div>
      <VirtualList
        label="Traces"
        role="grid"
        columns={7}
        count={list.length}
        rowHeight={ROW}
        handle={handle}
        active={at >= 0 && at < list.length ? `trace-${at}` : undefined}
        onKeyDown={keyed}
        render={(row) => {
          const one = list[row];
          const root = one.root ?? one.first;
          return (
            <div key={one.trace_id} id={`trace-${row}`} role="row" aria-rowindex={row + 1} aria-selected={row === at} class={`trow${row === at ? " on" : ""}`} onClick={(event) => !(event.target as Element).closest("a, input, label") && open(one)}>
              <span role="gridcell"><label class="pick" title="Pick for a comparison"><input type="checkbox" tabIndex={-1} aria-label={`Pick trace ${one.trace_id}`} checked={picked.includes(one.trace_id)} onChange={() => onPick(one.trace_id)} /></label></span>
              <span role="gridcell" class="mono">{formatTime(startMs(one), true).slice(5)}</span>
              <span role="gridcell" class="clip root">
                <i class="swatch" style={{ background: hues(root?.service ?? "").css }} />
                <a tabIndex={-1} href={href(`/traces/${one.trace_id}`)}><b class="data">{visible(root?.service || "(no service)")}</b> <span class="data">{visible(root?.name ?? "")}</span></a>
                {!one.root && <span class="muted" title="The root span is not stored: the first span is shown"> no root</span>}
              </span>
              <span role="gridcell" class="dur"><i class={one.error_count > 0 ? "bad" : ""} style={{ width: `calc((100% - 66px) * ${(one.duration_ns / longest).toFixed(4)})` }} /><b class="mono">{formatNs(one.duration_ns)}</b></span>
              <span role="gridcell" class="num" title={`${formatCount(one.matched_count)} match`}>{formatCount(one.span_count)}</span>
              <span role="gridcell" class="num">{one.error_count > 0 ? <span class="terr">▲ {formatCount(one.error_count)}</span> : <span class="muted">0</span>}</span>
              <span role="gridcell" class="svcs" title={one.services.map((s) => `${s.name} ${s.span_count}`).join(", ")}>
                {one.services.slice(0, SWATCHES).map((s) => <i key={s.name} class="swatch" style={{ background: hues(s.name).css }} />)}
                <span class="muted">{one.services.length > SWATCHES ? `+${one.services.length - SWATCHES}` : one.services.length}</span>
              </span>
            </div>
          );
        }}
      />
    </div>
  );
}

/** What to do with picked traces. */
export function Picked({ picked, clear }: { picked: readonly string[]; clear: () => void }) {
  if (picked.length === 0) return null;
  return (
    <span class="row">
      {picked.length === 1 ? <span class="muted">Pick one more to compare</span> : <a class="btn small primary" href={href(`/traces/${picked[0]}`, { with: picked[1] })}>Compare the two</a>}
      <button class="btn small" onClick={clear}>Unpick</button>
    </span>
  );
}

export const sortBy = (sort: string) => setParams({ sort: sort === "newest" ? null : sort });
