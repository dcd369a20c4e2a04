// One trace: waterfall, flame graph, map of its services, table; the span that is selected beside it.
import { useMemo, useRef } from "preact/hooks";
import { askFrame } from "../../lib/askFrame";
import { useLoad } from "../../lib/load";
import { param, setParams } from "../../lib/router";
import { tick } from "../../lib/time";
import { serviceHues, serviceNames } from "../../lib/services";
import type { PageProps } from "../../routes";
import { Notices } from "../../ui/parts";
import { CompareTab } from "./Compare";
import { Detail } from "./Detail";
import { useAllDetails } from "./details";
import { Head } from "./Head";
import { Lanes } from "./Lanes";
import { Minimap } from "./Minimap";
import { Missing } from "./Missing";
import { Summary } from "./Summary";
import { FlameTab, MapTab, TableTab } from "./Tabs";
import { gridKey, nextFound, useTraceKeys } from "./keys";
import { loadLogs } from "./logs";
import { idOf, remarks, spanOf, toTrace, type Trace, type TraceSummary } from "./model";
import { useWaterfall } from "./state";
import { tab } from "./view";
import { zoomOf } from "./zoom";
import "./trace.css";

export default function TracePage({ parts }: PageProps) {
  const id = parts.id;
  const loaded = useLoad(`${param("tenant")} ${id} ${tick.value}`, async (signal) => {
    const [answer, all] = await Promise.all([askFrame<TraceSummary>(`/api/v1/traces/${encodeURIComponent(id)}`, {}, signal), serviceNames()]);
    return { warnings: answer.warnings, id, trace: toTrace(answer), all };
  });
  // A refresh that brings nothing new leaves folds and the place in the list as they are.
  const kept = useRef<Trace | null>(null);
  const fresh = loaded.data?.id === id ? loaded.data.trace : null;
  if (fresh && (kept.current?.id !== fresh.id || kept.current.stored !== fresh.stored)) kept.current = fresh;
  if (loaded.error && !fresh) return <Missing id={id} error={loaded.error} retry={loaded.reload} />;
  if (!loaded.data || !fresh || !kept.current) return <div class="progress" role="progressbar" aria-label="Loading the trace" />;
  return <Open key={id} trace={kept.current} all={loaded.data.all} warnings={loaded.data.warnings} />;
}

function Open({ trace, all, warnings }: { trace: Trace; all: string[]; warnings: readonly string[] }) {
  const colour = useMemo(() => serviceHues(all, trace.services), [trace, all]);
  // What the server counts ("…: 3") is said by the page in its own words; the rest is why spans may be missing.
  const said = useMemo(() => [...warnings.filter((text) => !/: \d+$/.test(text)), ...remarks(trace)], [trace, warnings]);
  const logs = useLoad(trace.id, (signal) => loadLogs(trace, signal)).data?.data;
  const details = useAllDetails(trace);
  const fall = useWaterfall(trace, param("find"), param("only") === "critical", details);
  const selected = useMemo(() => spanOf(trace, param("span")), [trace, param("span")]);
  const zoom = zoomOf(param("zoom"), trace.durationNs);
  const select = (span: number) => {
    if (span < 0) return;
    fall.reveal(span);
    setParams({ span: idOf(trace, span) }, { replace: true });
  };
  const moves = { trace, fall, selected, select, leave: () => setParams({ span: null }, { replace: true }) };
  useTraceKeys(moves);
  const view = tab();
  const shared = { trace, fall, zoom, selected, colour, onSelect: select, onFound: (step: 1 | -1) => select(nextFound(moves, step)) };
  if (param("with")) return <div class="trace"><CompareTab trace={trace} other={param("with")} colour={colour} /></div>;
  return (
    <div class="trace">
      <Head trace={trace} />
      {said.length > 0 && <div class="notices"><Notices list={said} /></div>}
      <Minimap trace={trace} zoom={zoom} colour={colour} />
      <div class={`tracebody${view === "waterfall" || selected >= 0 ? " with" : ""}`}>
        <div class="traceview">
          {view === "waterfall" && <Lanes {...shared} logs={logs} onKeyDown={(event) => gridKey(moves, event)} />}
          {view === "flame" && <FlameTab {...shared} />}
          {view === "map" && <MapTab trace={trace} colour={colour} />}
          {view === "table" && <TableTab trace={trace} colour={colour} onSelect={select} />}
        </div>
        {selected >= 0 ? <Detail key={selected} trace={trace} span={selected} all={details} logs={logs} colour={colour} onClose={moves.leave} /> : view === "waterfall" && <Summary trace={trace} logs={logs} colour={colour} />}
      </div>
    </div>
  );
}
