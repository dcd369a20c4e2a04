// The waterfall: a tree grid whose rows are drawn only while in sight. One tab stop; the selected span is
// the active row. Bars lie in per cent of the zoom; the axis stands above the lanes' own column.
import { useEffect, useRef } from "preact/hooks";
import type { Hues } from "../../lib/services";
import { preference } from "../../lib/prefs";
import { visible } from "../../lib/text";
import { formatCount, formatNs } from "../../lib/units";
import { VirtualList, type ListHandle } from "../../ui/VirtualList";
import type { TraceLogs } from "./logs";
import { CRITICAL, ERROR, EVENTS, ODD, endOf, nameOf, oddities, serviceOf, type Trace } from "./model";
import { rowOf } from "./rows";
import type { Waterfall } from "./state";
import { Find, FoldMenu } from "./Tools";
import { axis, type Zoom } from "./zoom";

const ROW = 25;
/** Marks on one lane at most. */
const MARKS = 60;
const NAME_MIN = 140;
const NAME_MAX = 900;
export const nameWidth = preference<number>("trace.name", 380, (value) => typeof value === "number" && value >= NAME_MIN && value <= NAME_MAX);

export interface LanesProps {
  trace: Trace;
  fall: Waterfall;
  zoom: Zoom;
  selected: number;
  logs?: TraceLogs;
  colour: Hues;
  onSelect: (span: number) => void;
  onFound: (step: 1 | -1) => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

export function Lanes(props: LanesProps) {
  const { trace, fall, zoom, selected, onSelect } = props;
  const list = useRef<ListHandle | null>(null);
  const ticks = axis(zoom, 6);
  const moved = useRef(false);
  useEffect(() => {
    // A link to a span opens with it in the middle; later moves scroll no further than they must.
    if (selected >= 0) list.current?.scrollTo(rowOf(fall.rows, selected), moved.current ? "nearest" : "center");
    moved.current = true;
  }, [selected, fall.rows]);
  const click = (event: MouseEvent) => {
    const row = (event.target as Element).closest<HTMLElement>("[data-span]");
    if (!row) return;
    const span = Number(row.dataset.span);
    if ((event.target as Element).closest(".twist")) fall.toggle(span);
    else onSelect(span);
  };
  return (
    <div class="fall" style={{ "--name": `${nameWidth.value}px` }} onClick={click} onDblClick={(event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-span]");
      if (row && !(event.target as Element).closest(".twist")) fall.toggle(Number(row.dataset.span));
    }}>
      <div class="fallhead">
        <div class="falltools">
          <Find fall={fall} onNext={props.onFound} />
          <FoldMenu fall={fall} />
          <span class="muted clip">{formatCount(fall.rows.span.length)} rows</span>
        </div>
        <Resizer />
        <div class="lane axis" aria-hidden="true"><div class="in">
          {ticks.map(({ at, label }) => <span key={at} style={{ left: `${percent(at, zoom)}%` }} class={percent(at, zoom) > 93 ? "end" : percent(at, zoom) < 3 ? "begin" : ""}>{label}</span>)}
        </div></div>
      </div>
      <div class="fallgrid" aria-hidden="true"><div class="lane"><div class="in">{ticks.map(({ at }) => <i key={at} style={{ left: `${percent(at, zoom)}%` }} />)}</div></div></div>
      <VirtualList
        class="falllist"
        role="treegrid"
        label={`Spans of the trace, ${formatCount(trace.count)}`}
        count={fall.rows.span.length}
        rowHeight={ROW}
        columns={2}
        handle={list}
        active={selected >= 0 ? `span-${selected}` : undefined}
        onKeyDown={props.onKeyDown}
        render={(row) => rowOfSpan(props, row)}
      />
    </div>
  );
}

const percent = (at: number, zoom: Zoom) => ((at - zoom.from) / (zoom.to - zoom.from)) * 100;

/** Draws one row; a plain function, because a component per row costs more than its content. */
function rowOfSpan(props: LanesProps, row: number) {
  const { trace, fall, zoom, selected, colour, logs } = props;
  const at = fall.rows.span[row];
  const hidden = fall.rows.hidden[row];
  if (at < 0) return leftOut(trace, ~at, hidden, row);
  const flags = trace.flags[at];
  const service = serviceOf(trace, at);
  const depth = trace.depth[at];
  const isFolded = hidden > 0;
  const isError = (flags & ERROR) !== 0;
  const isFound = fall.found?.[at] === 1;
  const background = colour(service).css;
  return (
    <div key={row} id={`span-${at}`} data-span={at} class={`frow${at === selected ? " on" : ""}${fall.found && !isFound ? " dim" : ""}${isFound ? " hit" : ""}`} role="row" aria-rowindex={row + 1} aria-level={depth + 1} aria-expanded={trace.below[at] > 0 ? !isFolded : undefined} aria-selected={at === selected}>
      <div class="fname" role="rowheader" style={{ paddingLeft: `${6 + Math.min(depth, 40) * 12}px` }} title={`${service}  ${nameOf(trace, at)}`}>
        {trace.below[at] > 0 ? <span class="twist" aria-hidden="true">{isFolded ? "▸" : "▾"}</span> : <span class="twist none" />}
        <i class="swatch" style={{ background }} />
        {isError && <span class="bad" title="error">▲<span class="sr">error</span></span>}
        {(flags & ODD) !== 0 && <span class="odd" title={oddities(trace, at).join("; ")}>◆<span class="sr">{oddities(trace, at).join("; ")}</span></span>}
        <b class="data">{visible(service)}</b> <span class="data">{visible(nameOf(trace, at))}</span>
        {isFolded && <span class="more">+{formatCount(hidden)}{trace.errorsBelow[at] > 0 ? <span class="bad"> ▲ {formatCount(trace.errorsBelow[at])}</span> : ""}</span>}
      </div>
      <div class="lane" role="gridcell"><div class="in">{bar(trace, at, zoom, background, isError)}{(flags & CRITICAL) !== 0 && path(trace, at, zoom)}{marks(trace, at, zoom, (flags & EVENTS) !== 0, logs)}</div></div>
    </div>
  );
}

function leftOut(trace: Trace, first: number, hidden: number, row: number) {
  return (
    <div key={row} class="frow out" role="row" aria-rowindex={row + 1} aria-level={trace.depth[first] + 1}>
      <div class="fname" role="rowheader" style={{ paddingLeft: `${24 + Math.min(trace.depth[first], 40) * 12}px` }}>{formatCount(hidden)} more span{hidden === 1 ? "" : "s"}</div>
      <div class="lane" role="gridcell" />
    </div>
  );
}

/** The bar, and its duration where there is room: behind it, before it, or inside on a plate. */
function bar(trace: Trace, at: number, zoom: Zoom, background: string, isError: boolean) {
  const [left, right] = [percent(trace.start[at], zoom), percent(endOf(trace, at), zoom)];
  const text = formatNs(trace.duration[at]);
  if (right < 0) return <span class="fdur" style={{ left: 0 }}>◂ {text}</span>;
  if (left > 100) return <span class="fdur end" style={{ right: 0 }}>{text} ▸</span>;
  const [from, to] = [Math.max(left, 0), Math.min(right, 100)];
  return (
    <>
      <i class={`fbar${isError ? " err" : ""}`} style={{ left: `${from}%`, width: `${to - from}%`, background }} />
      {to < 86 ? <span class="fdur" style={{ left: `${to}%` }}>{text}</span> : from > 14 ? <span class="fdur end" style={{ right: `${100 - from}%` }}>{text}</span> : <span class="fdur plate" style={{ right: `${100 - to}%` }}>{text}</span>}
    </>
  );
}

function path(trace: Trace, at: number, zoom: Zoom) {
  const lines = [];
  for (let s = trace.pathFrom[at]; s < trace.pathFrom[at + 1] && lines.length < MARKS; s++) {
    const from = Math.max(0, percent(trace.path[2 * s], zoom));
    const to = Math.min(100, percent(trace.path[2 * s + 1], zoom));
    if (to >= from) lines.push(<i key={s} class="fpath" style={{ left: `${from}%`, width: `${to - from}%` }} />);
  }
  return lines;
}

function marks(trace: Trace, at: number, zoom: Zoom, hasEvents: boolean, logs?: TraceLogs) {
  const found = [];
  if (hasEvents) {
    for (let e = trace.eventFrom[at]; e < trace.eventFrom[at + 1] && found.length < MARKS; e++) {
      const x = percent(trace.eventTime[e], zoom);
      const name = trace.eventNames[trace.eventName[e]];
      if (x >= 0 && x <= 100) found.push(<i key={found.length} class={name === "exception" ? "fmark exc" : "fmark"} style={{ left: `${x}%` }} title={name} />);
    }
  }
  // What belongs to the trace and to no span of it stands with the first span.
  const lists = [logs?.bySpan.get(at), at === 0 ? logs?.bySpan.get(-1) : undefined];
  for (const list of lists) {
    for (const { offset, row } of list ?? []) {
      const x = percent(offset, zoom);
      if (x >= 0 && x <= 100 && found.length < MARKS) found.push(<i key={found.length} class={row.severity_number >= 17 ? "fmark log bad" : "fmark log"} style={{ left: `${x}%` }} title="log record" />);
    }
  }
  return found;
}

/** The edge between names and lanes: drag, or arrow keys. */
function Resizer() {
  const from = useRef<{ x: number; width: number } | null>(null);
  const set = (width: number) => (nameWidth.value = Math.round(Math.min(NAME_MAX, Math.max(NAME_MIN, width))));
  return (
    <div
      class="fsize"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label="Width of the names"
      aria-valuenow={nameWidth.value}
      aria-valuemin={NAME_MIN}
      aria-valuemax={NAME_MAX}
      onPointerDown={(event) => {
        from.current = { x: event.clientX, width: nameWidth.value };
        event.currentTarget.setPointerCapture(event.pointerId);
        event.preventDefault();
      }}
      onPointerMove={(event) => from.current && set(from.current.width + event.clientX - from.current.x)}
      onPointerUp={() => (from.current = null)}
      onKeyDown={(event) => {
        const by = event.key === "ArrowLeft" ? -20 : event.key === "ArrowRight" ? 20 : 0;
        if (by === 0) return;
        event.preventDefault();
        set(nameWidth.value + by);
      }}
    />
  );
}
