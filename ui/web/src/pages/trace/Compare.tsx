// Two traces side by side by structure: what is there in only one of them, what took longer, what failed.
import { useMemo } from "preact/hooks";
import { askFrame } from "../../lib/askFrame";
import { useLoad } from "../../lib/load";
import { href, param, setParams } from "../../lib/router";
import type { Hues } from "../../lib/services";
import { formatTime } from "../../lib/time";
import { formatCount, formatNs } from "../../lib/units";
import { VirtualList } from "../../ui/VirtualList";
import { changeOf, compareTraces, summary, type Change, type Compared, type Said, type Side } from "./compare";
import { Missing } from "./Missing";
import { toTrace, type Trace, type TraceSummary } from "./model";

const WORDS: Record<Change, string> = { same: "", added: "+ only in B", gone: "− only in A", slower: "▲ slower", faster: "▼ faster", failed: "▲ fails in B", mended: "✓ failed in A" };

export function CompareTab({ trace, other, colour }: { trace: Trace; other: string; colour: Hues }) {
  const loaded = useLoad(`${param("tenant")} ${other}`, async (signal) => toTrace(await askFrame<TraceSummary>(`/api/v1/traces/${encodeURIComponent(other)}`, {}, signal)));
  if (loaded.error) return <Missing id={other} error={loaded.error} retry={loaded.reload} />;
  if (!loaded.data) return <div class="progress" role="progressbar" aria-label="Loading the other trace" />;
  return <Both a={trace} b={loaded.data} colour={colour} />;
}

function Both({ a, b, colour }: { a: Trace; b: Trace; colour: Hues }) {
  const list = useMemo(() => compareTraces(a, b), [a, b]);
  const said = useMemo(() => summary(list, a, b), [list, a, b]);
  const onlyChanges = param("only") === "changes";
  const whole = Math.max(a.durationNs, b.durationNs, 1);
  const shown = useMemo(() => (onlyChanges ? list.filter((node) => changeOf(node, whole) !== "same") : list), [list, onlyChanges, whole]);
  const most = Math.max(1, ...list.map((node) => Math.abs(node.b.selfNs - node.a.selfNs)));
  return (
    <div class="compare">
      <div class="comparehead">
        <Which letter="A" trace={a} />
        <Which letter="B" trace={b} />
        <Sentence said={said} />
        <div class="row">
          <button class="btn small" aria-pressed={onlyChanges} onClick={() => setParams({ only: onlyChanges ? null : "changes" }, { replace: true })}>Only what differs</button>
          <a class="btn small" href={href(`/traces/${b.id}`, { with: a.id })}>Swap A and B</a>
          <button class="btn small" onClick={() => setParams({ with: null, only: null })}>Leave the comparison</button>
        </div>
      </div>
      <div class="cmprow cmphead" aria-hidden="true"><span>{formatCount(shown.length)} operations by their callers</span><span class="num">A</span><span class="num">B</span><span>Self time, B − A</span><span>Difference</span></div>
      <VirtualList role="table" label="Operations of both traces" columns={5} count={shown.length} rowHeight={26} version={shown} render={(row) => compareRow(shown[row], row, most, whole, colour)} />
    </div>
  );
}

function Which({ letter, trace }: { letter: string; trace: Trace }) {
  return (
    <p>
      <b>{letter}</b> <a class="mono" href={href(`/traces/${trace.id}`)}>{trace.id}</a> <span class="data">{trace.root.service} {trace.root.name}</span>
      <span class="muted"> · {formatNs(trace.durationNs)} · {formatCount(trace.count)} spans · {formatCount(trace.errors)} error{trace.errors === 1 ? "" : "s"} · {formatTime(trace.startMs)}</span>
    </p>
  );
}

function Sentence({ said }: { said: Said }) {
  const parts: string[] = [];
  for (const { node, byNs } of said.most) parts.push(`${node.service} ${node.name} (${byNs > 0 ? "+" : "−"}${formatNs(Math.abs(byNs))} self time)`);
  return (
    <p>
      B is <b>{formatNs(Math.abs(said.byNs))} {said.byNs >= 0 ? "slower" : "faster"}</b>.
      {parts.length > 0 && ` Most of it: ${parts.join(", ")}.`}
      {said.failed.length > 0 && <span class="terr"> ▲ Fails only in B: {said.failed.slice(0, 3).map((node) => `${node.service} ${node.name}`).join(", ")}{said.failed.length > 3 ? ` and ${said.failed.length - 3} more` : ""}.</span>}
      {` ${formatCount(said.added)} operation${said.added === 1 ? " is" : "s are"} only in B, ${formatCount(said.gone)} only in A.`}
    </p>
  );
}

function compareRow(node: Compared, row: number, most: number, whole: number, colour: Hues) {
  const change = changeOf(node, whole);
  const by = node.b.selfNs - node.a.selfNs;
  const part = (50 * Math.abs(by)) / most;
  return (
    <div key={row} class={`cmprow ${change}`} role="row" aria-rowindex={row + 1}>
      <span role="cell" class="clip" style={{ paddingLeft: `${Math.min(node.depth, 30) * 12}px` }}><i class="swatch" style={{ background: colour(node.service).css }} /> <b class="data">{node.service}</b> <span class="data muted">{node.name}</span></span>
      <Figures side={node.a} />
      <Figures side={node.b} />
      <span role="cell" class="delta"><i class={by > 0 ? "more" : "less"} style={by > 0 ? { left: "50%", width: `${part}%` } : { right: "50%", width: `${part}%` }} /><b class="mono">{by === 0 ? "" : `${by > 0 ? "+" : "−"}${formatNs(Math.abs(by))}`}</b></span>
      <span role="cell" class="word">{WORDS[change]}{change === "same" && node.a.spans !== node.b.spans ? `${node.a.spans} → ${node.b.spans} spans` : ""}</span>
    </div>
  );
}

function Figures({ side }: { side: Side }) {
  if (side.spans === 0) return <span role="cell" class="num muted">–</span>;
  return <span role="cell" class="num mono">{side.spans > 1 ? `${formatCount(side.spans)}× ` : ""}{formatNs(side.totalNs)}{side.errors > 0 ? <span class="bad"> ▲{side.errors}</span> : ""}</span>;
}
