// One board: variables, sections, panels; changed in the browser, saved against the revision that was read.
import { useEffect, useMemo, useState } from "preact/hooks";
import { useLoad } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { param, setParams } from "../../lib/router";
import { heading } from "../../lib/title";
import { defaultFrom, ago } from "../../lib/time";
import { titleOf, type Board as BoardTree, type Found } from "../../panels/model";
import type { Env } from "../../panels/variables";
import { Empty, ErrorBox, Notices } from "../../ui/parts";
import type { PageProps } from "../../routes";
import { BoardGrid } from "./BoardGrid";
import { BoardTools } from "./BoardTools";
import { lazy } from "../../ui/lazy";
import { addPanel, NEW_PANEL } from "./change";
import { sectionsOf } from "./layout";
import { readBoard } from "./store";
import { useChoices } from "./values";
import { Variables } from "./Variables";
import "./dashboards.css";

/** No variable is known yet: panels have their places, and wait. */
const UNKNOWN: Env = new Map();
const EditPanel = lazy(() => import("./EditPanel").then((m) => m.EditPanel));

export default function Board({ parts }: PageProps) {
  const { data, error, reload } = useLoad(parts.name, (signal) => readBoard(parts.name, signal));
  if (error && !data) return <div class="page"><ErrorBox error={error} retry={reload} /></div>;
  if (!data || data.dashboard.metadata.name !== parts.name) return <div class="progress" role="progressbar" aria-label="Loading" />;
  return <Open key={`${parts.name} ${data.revision}`} found={data} reload={reload} />;
}

/** The range that the board opens with, where the URL says none. */
function useRange(board: BoardTree) {
  useEffect(() => {
    const before = defaultFrom.peek();
    const duration = board.spec.duration;
    if (duration && /^\d+[smhdwy]$/.test(duration)) defaultFrom.value = `now-${duration}`;
    return () => void (defaultFrom.value = before);
  }, [board.spec.duration]);
}

function Open({ found, reload }: { found: Found; reload: () => void }) {
  const [board, setBoard] = useState(found.dashboard);
  const [panelKey, setPanelKey] = useState<string | null>(null);
  const editing = param("edit") === "1";
  const changed = board !== found.dashboard;
  useRange(board);
  useEffect(() => {
    heading.value = titleOf(board);
    document.title = `${heading.value} · Tarn`;
    return () => void (heading.value = "");
  }, [board]);
  useEffect(() => {
    if (!changed) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [changed]);
  const choices = useChoices(board);
  const env: Env | null = useMemo(() => choices && new Map(choices.map(({ variable, chosen }) => [variable.spec.name, chosen])), [choices]);
  const sections = useMemo(() => sectionsOf(board, env ?? UNKNOWN), [board, env]);
  const add = () => {
    const made = addPanel(board, NEW_PANEL);
    setBoard(made.board);
    setPanelKey(made.key);
  };
  const unknown = (choices ?? []).filter(({ variable }) => variable.kind !== "TextVariable" && variable.kind !== "ListVariable");
  const errors = found.problems.filter(({ warning }) => !warning);
  const cut = sections.reduce((sum, section) => sum + section.cut, 0);
  return (
    <div class="page boardpage">
      <div class="row boardbar">
        {choices && <Variables choices={choices} />}
        <span class="grow" />
        <span class="badge" title={found.file ?? undefined}>{found.origin === "curated" ? "built in" : found.origin === "folder" ? "from a file" : `revision ${found.revision}${found.changed_ms ? `, ${ago(found.changed_ms)}` : ""}`}</span>
        <BoardTools found={found} board={board} changed={changed} editing={editing} onAdd={add} onReload={reload} onUndo={() => setBoard(found.dashboard)} onTake={setBoard} />
      </div>
      {errors.length > 0 && <Notices list={errors.map(({ path, message }) => `${path}: ${message}`)} />}
      {unknown.length > 0 && <Notices list={[`Kept, and not applied: ${unknown.map(({ variable }) => `${variable.spec.name} (${variable.kind})`).join(", ")}`]} />}
      {cut > 0 && <Notices list={[`${cut} repeats are not shown: ${LIMITS.repeats} at most. Choose fewer values above.`]} />}
      {!env && <div class="progress" role="progressbar" aria-label="Loading" />}
      {sections.map((section, i) => <BoardGrid key={`${section.index} ${i}`} section={section} board={board} ready={env !== null} editing={editing} onChange={setBoard} onEdit={setPanelKey} />)}
      {Object.keys(board.spec.panels ?? {}).length === 0 && (
        <Empty title="This board is empty.">
          <button class="btn primary" onClick={() => { setParams({ edit: true }); add(); }}>Add a panel</button>
        </Empty>
      )}
      {panelKey !== null && env && board.spec.panels?.[panelKey] && (
        <EditPanel board={board} panelKey={panelKey} env={env} onClose={() => setPanelKey(null)} onChange={(next) => { setBoard(next); setPanelKey(null); }} />
      )}
    </div>
  );
}
