// Edit, save, copy, export, delete.
import { useState } from "preact/hooks";
import type { ApiError } from "../../lib/api";
import { asError } from "../../lib/load";
import { navigate, setParams } from "../../lib/router";
import { titleOf, type Board, type Found } from "../../panels/model";
import { Dialog, ErrorBox, Popover } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { nameOf, renamed } from "./change";
import { deleteBoard, download, exportBoard, saveBoard, type Conflict } from "./store";

interface Props {
  found: Found;
  board: Board;
  changed: boolean;
  editing: boolean;
  onAdd: () => void;
  onReload: () => void;
  onUndo: () => void;
  onTake: (board: Board) => void;
}

export function BoardTools({ found, board, changed, editing, onAdd, onReload, onUndo }: Props) {
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [copying, setCopying] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    await work().catch((failure: unknown) => setError(asError(failure)));
    setBusy(false);
  };
  const save = (revision: number) => attempt(async () => {
    const saved = await saveBoard(board, revision);
    if ("conflict" in saved) return setConflict(saved.conflict);
    setConflict(null);
    setParams({ edit: null });
    onReload();
  });
  const remove = () => attempt(async () => {
    await deleteBoard(board.metadata.name, found.revision);
    navigate("/dashboards", {});
  });
  return (
    <>
      {changed && <span class="badge warn">● not saved</span>}
      {editing && <button class="btn small" onClick={onAdd}><Icon name="plus" /> Panel</button>}
      {changed && <button class="btn small" onClick={onUndo}>Undo all</button>}
      {found.editable && changed && <button class="btn small primary" disabled={busy} onClick={() => void save(found.revision)}>Save</button>}
      {!found.editable && changed && <button class="btn small primary" onClick={() => setCopying(true)}>Save a copy</button>}
      <button class="btn small" aria-pressed={editing} onClick={() => setParams({ edit: editing ? null : true })}><Icon name="edit" /> Edit</button>
      <Popover label="More of this board" class="btn small icon" text="⋯">
        {(close) => (
          <div class="menu">
            <button onClick={() => { close(); setCopying(true); }}>Save a copy…</button>
            <button onClick={() => { close(); void attempt(() => exportBoard(board.metadata.name, "yaml")); }}>Export as YAML</button>
            <button onClick={() => { close(); void attempt(() => exportBoard(board.metadata.name, "json")); }}>Export as JSON</button>
            {changed && <button onClick={() => { close(); download(`${board.metadata.name}.json`, JSON.stringify(board, null, 2)); }}>Export with my changes</button>}
            {found.origin === "stored" && <button onClick={() => { close(); void remove(); }}>Delete revision {found.revision}</button>}
          </div>
        )}
      </Popover>
      {error && <Dialog title="It did not work" onClose={() => setError(null)}><div class="boarddialog"><ErrorBox error={error} /><button class="btn" onClick={() => setError(null)}>Close</button></div></Dialog>}
      {conflict && <ConflictDialog conflict={conflict} onClose={() => setConflict(null)} onTheirs={onReload} onMine={() => void save(conflict.revision)} />}
      {copying && <CopyDialog board={board} onClose={() => setCopying(false)} />}
    </>
  );
}

/** Somebody else saved meanwhile: both are shown, nobody's change goes by itself. */
function ConflictDialog({ conflict, onClose, onTheirs, onMine }: { conflict: Conflict; onClose: () => void; onTheirs: () => void; onMine: () => void }) {
  const lines = (conflict.diff ?? "").split("\n").slice(0, 2000);
  return (
    <Dialog title="Somebody else saved this board" onClose={onClose} class="wide">
      <div class="boarddialog">
        <h2>Somebody else saved this board</h2>
        <p class="muted">It is at revision {conflict.revision} now. This is what yours changes against it.</p>
        <pre class="diff panel" tabIndex={0}>{lines.map((line, i) => <span key={i} class={line[0] === "+" ? "in" : line[0] === "-" ? "out" : line[0] === "@" ? "at" : ""}>{line}{"\n"}</span>)}</pre>
        <span class="row">
          <button class="btn primary" onClick={onMine}>Save mine over it</button>
          <button class="btn" onClick={() => { onClose(); onTheirs(); }}>Take theirs, drop mine</button>
          <button class="btn" onClick={onClose}>Go on editing</button>
        </span>
      </div>
    </Dialog>
  );
}

function CopyDialog({ board, onClose }: { board: Board; onClose: () => void }) {
  const [title, setTitle] = useState(`${titleOf(board)} (copy)`);
  const [error, setError] = useState<ApiError | null>(null);
  const save = async () => {
    const name = nameOf(title);
    try {
      const saved = await saveBoard(renamed(board, name, title), null);
      if ("conflict" in saved) throw new Error(`there is a board ${name} already: choose another title`);
      onClose();
      navigate(`/dashboards/${name}`, {});
    } catch (failure) {
      setError(asError(failure));
    }
  };
  return (
    <Dialog title="Save a copy" onClose={onClose}>
      <form class="boarddialog" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <h2>Save a copy</h2>
        <label class="field">Title<input class="input" autofocus value={title} onInput={(event) => setTitle(event.currentTarget.value)} /></label>
        <p class="muted">Its name will be <code>{nameOf(title)}</code>.</p>
        {error && <ErrorBox error={error} />}
        <span class="row"><button class="btn primary">Save</button><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}
