// The other views of a trace: flame graph, map of its services, table of its operations.
import { useMemo, useState } from "preact/hooks";
import { Flame } from "../../chart/Flame";
import { Graph } from "../../chart/Graph";
import type { Hues } from "../../lib/services";
import { formatCount, formatNs } from "../../lib/units";
import { VirtualList } from "../../ui/VirtualList";
import { calls, groups, sortGroups, type Column } from "./groups";
import { ERROR, nameOf, serviceOf, shares, type Trace } from "./model";
import type { Waterfall } from "./state";
import { Find } from "./Tools";
import { setZoom } from "./view";
import type { Zoom } from "./zoom";

export interface TabProps {
  trace: Trace;
  fall: Waterfall;
  zoom: Zoom;
  selected: number;
  colour: Hues;
  onSelect: (span: number) => void;
  onFound: (step: 1 | -1) => void;
}

export function FlameTab({ trace, fall, zoom, selected, colour, onSelect, onFound }: TabProps) {
  return (
    <div class="flametab">
      <div class="falltools"><Find fall={fall} onNext={onFound} /><span class="muted">Double click zooms to a span, Ctrl and the wheel zoom around the pointer.</span></div>
      <Flame
        start={trace.start} duration={trace.duration} parent={trace.parent} from={zoom.from} to={zoom.to} selected={selected} found={fall.found}
        colour={(span) => colour(serviceOf(trace, span)).token}
        isStriped={(span) => colour(serviceOf(trace, span)).round > 0}
        text={(span) => `${serviceOf(trace, span)} ${nameOf(trace, span)}`}
        isError={(span) => (trace.flags[span] & ERROR) !== 0}
        label={`Flame graph of ${formatCount(trace.count)} spans over ${formatNs(trace.durationNs)}; the Table tab has its figures`}
        onSelect={onSelect}
        onZoom={(from, to) => setZoom({ from: Math.max(0, from), to: Math.min(trace.durationNs, to) }, trace.durationNs)}
        tip={(span) => <><b class="data">{serviceOf(trace, span)}</b><span class="data">{nameOf(trace, span)}</span><span>{formatNs(trace.duration[span])}, self {formatNs(trace.self[span])}</span></>}
      />
    </div>
  );
}

export function MapTab({ trace, colour }: { trace: Trace; colour: Hues }) {
  const [focus, setFocus] = useState<string | null>(null);
  const { nodes, edges } = useMemo(() => {
    const list = calls(trace);
    const most = Math.max(1, ...list.map((call) => call.calls));
    return {
      nodes: [...shares(trace)].sort((a, b) => Number(b.service === trace.root.service) - Number(a.service === trace.root.service)).map((share) => ({
        id: share.service, title: share.service || "(no service)", mark: colour(share.service).token ? `var(${colour(share.service).token})` : undefined,
        sub: `${share.errors > 0 ? `${formatCount(share.errors)} of ` : ""}${formatCount(share.spans)} span${share.spans === 1 ? "" : "s"} · self ${formatNs(share.selfNs)}`,
        state: share.errors > 0 ? ("err" as const) : ("none" as const),
      })),
      edges: list.map((call) => ({
        from: call.from, to: call.to, weight: call.calls / most, state: call.errors > 0 ? ("err" as const) : ("none" as const),
        label: `${formatCount(call.calls)}×${call.errors > 0 ? ` ▲${call.errors}` : ""}`,
        title: `${call.from} calls ${call.to} ${formatCount(call.calls)} times, ${formatNs(call.totalNs / call.calls)} on average${call.errors > 0 ? `, ${call.errors} errors` : ""}`,
      })),
    };
  }, [trace, colour]);
  return <Graph nodes={nodes} edges={edges} focus={focus} onFocus={setFocus} label="Services of the trace and their calls" />;
}

const COLUMNS: [Column, string][] = [["spans", "Spans"], ["errors", "Errors"], ["pathNs", "On the path"], ["selfNs", "Self"], ["totalNs", "Total"], ["maxNs", "Longest"]];

export function TableTab({ trace, colour, onSelect }: Pick<TabProps, "trace" | "colour" | "onSelect">) {
  const [by, setBy] = useState<Column>("pathNs");
  const all = useMemo(() => groups(trace), [trace]);
  const list = useMemo(() => sortGroups(all, by), [all, by]);
  return (
    <div class="optable">
      <div class="oprow ophead">
        <span>{formatCount(list.length)} operations</span>
        {COLUMNS.map(([column, name]) => <button key={column} class="num" aria-pressed={by === column} onClick={() => setBy(column)}>{name}{by === column ? " ▾" : ""}</button>)}
      </div>
      <VirtualList label="Operations of the trace" role="table" columns={7} count={list.length} rowHeight={26} version={by} render={(row) => {
        const one = list[row];
        return (
          <div key={row} class="oprow" role="row" aria-rowindex={row + 1}>
            <span role="cell" class="clip"><button class="oplink" title="Select its longest span" onClick={() => onSelect(one.slowest)}><i class="swatch" style={{ background: colour(one.service).css }} /> <b class="data">{one.service}</b> <span class="data muted">{one.name}</span></button></span>
            <span role="cell" class="num">{formatCount(one.spans)}</span>
            <span role="cell" class="num">{one.errors > 0 ? <span class="bad">▲ {formatCount(one.errors)}</span> : "0"}</span>
            {[one.pathNs, one.selfNs, one.totalNs, one.maxNs].map((ns, i) => <span key={i} role="cell" class="num mono">{ns > 0 ? formatNs(ns) : "–"}</span>)}
          </div>
        );
      }} />
    </div>
  );
}
