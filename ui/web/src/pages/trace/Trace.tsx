// One trace: waterfall, flame graph, map of its services, table; the span that is selected beside it.
import { useMemo } from "preact/hooks";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { param, setParams } from "../../lib/router";
import { serviceHues, serviceNames } from "../../lib/services";
import { formatCount } from "../../lib/units";
import type { PageProps } from "../../routes";
import { Notices } from "../../ui/parts";
import { Detail } from "./Detail";
import { Head } from "./Head";
import { Lanes } from "./Lanes";
import { Minimap } from "./Minimap";
import { Missing } from "./Missing";
import { Summary } from "./Summary";
import { gridKey, nextFound, useTraceKeys } from "./keys";
import { loadLogs } from "./logs";
import { remarks, toTrace, type RawTrace, type Trace } from "./model";
import { useWaterfall } from "./state";
import { tab } from "./view";
import { zoomOf } from "./zoom";
import "./trace.css";

export default function TracePage({ parts }: PageProps) {
  const id = parts.id;
  const loaded = useLoad(`${param("tenant")} ${id}`, async (signal) => {
    const [answer, all] = await Promise.all([ask<RawTrace>(`/api/v1/traces/${encodeURIComponent(id)}`, {}, signal), serviceNames()]);
    return { ...answer, id, trace: toTrace(answer.data), all };
  });
  if (loaded.error) return <Missing id={id} error={loaded.error} retry={loaded.reload} />;
  if (!loaded.data || loaded.data.id !== id) return <div class="progress" role="progressbar" aria-label="Loading the trace" />;
  return <Open key={id} trace={loaded.data.trace} all={loaded.data.all} />;
}

function Open({ trace, all }: { trace: Trace; all: string[] }) {
  const colour = useMemo(() => serviceHues(all, trace.services), [trace, all]);
  const ids = useMemo(() => new Map(trace.spans.map((span, i) => [span.span_id, i])), [trace]);
  const said = useMemo(() => remarks(trace), [trace]);
  const logs = useLoad(trace.id, (signal) => loadLogs(trace, signal)).data?.data;
  const fall = useWaterfall(trace, param("find"), param("only") === "critical");
  const selected = ids.get(param("span")) ?? -1;
  const zoom = zoomOf(param("zoom"), trace.durationNs);
  const select = (span: number) => {
    if (span < 0) return;
    fall.reveal(span);
    setParams({ span: trace.spans[span].span_id }, { replace: true });
  };
  const moves = { trace, fall, selected, select, leave: () => setParams({ span: null }, { replace: true }) };
  useTraceKeys(moves);
  const view = tab();
  return (
    <div class="trace">
      <Head trace={trace} />
      {(said.length > 0 || trace.count >= LIMITS.spans) && (
        <div class="notices">
          <Notices list={said} />
          {trace.count >= LIMITS.spans && <Notices>This page shows the first {formatCount(LIMITS.spans)} spans of the trace.</Notices>}
        </div>
      )}
      <Minimap trace={trace} zoom={zoom} colour={colour} />
      <div class={`tracebody${view === "waterfall" || selected >= 0 ? " with" : ""}`}>
        <div class="traceview">
          <Lanes trace={trace} fall={fall} zoom={zoom} selected={selected} logs={logs} colour={colour} onSelect={select} onFound={(step) => select(nextFound(moves, step))} onKeyDown={(event) => gridKey(moves, event)} />
        </div>
        {selected >= 0 ? <Detail key={selected} trace={trace} span={selected} logs={logs} colour={colour} onClose={moves.leave} /> : view === "waterfall" && <Summary trace={trace} logs={logs} colour={colour} />}
      </div>
    </div>
  );
}
