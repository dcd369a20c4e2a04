// Edit, save, copy, export, delete.
import { useState } from "preact/hooks";
import type { ApiError } from "../../lib/api";
import { asError } from "../../lib/load";
import { navigate, setParams } from "../../lib/router";
import type { Board, Found } from "../../panels/model";
import { Act } from "../../ui/act";
import { Dialog, ErrorBox, Popover } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { lazy } from "../../ui/lazy";
import { deleteBoard, download, exportBoard, saveBoard, type Conflict } from "./store";

const ConflictDialog = lazy(() => import("./dialogs").then((m) => m.ConflictDialog));
const CopyDialog = lazy(() => import("./dialogs").then((m) => m.CopyDialog));

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
      {found.editable && changed && <Act role_="editor" class="btn small primary" disabled={busy} onClick={() => void save(found.revision)}>Save</Act>}
      {!found.editable && changed && <Act role_="editor" class="btn small primary" onClick={() => setCopying(true)}>Save a copy</Act>}
      <button class="btn small" aria-pressed={editing} onClick={() => setParams({ edit: editing ? null : true })}><Icon name="edit" /> Edit</button>
      <Popover label="More of this board" class="btn small icon" text="⋯">
        {(close) => (
          <div class="menu">
            <Act role_="editor" onClick={() => { close(); setCopying(true); }}>Save a copy…</Act>
            <button onClick={() => { close(); void attempt(() => exportBoard(board.metadata.name, "yaml")); }}>Export as YAML</button>
            <button onClick={() => { close(); void attempt(() => exportBoard(board.metadata.name, "json")); }}>Export as JSON</button>
            {changed && <button onClick={() => { close(); download(`${board.metadata.name}.json`, JSON.stringify(board, null, 2)); }}>Export with my changes</button>}
            {found.origin === "stored" && <Act role_="editor" onClick={() => { close(); void remove(); }}>Delete revision {found.revision}</Act>}
          </div>
        )}
      </Popover>
      {error && <Dialog title="It did not work" onClose={() => setError(null)}><div class="boarddialog"><ErrorBox error={error} /><button class="btn" onClick={() => setError(null)}>Close</button></div></Dialog>}
      {conflict && <ConflictDialog conflict={conflict} onClose={() => setConflict(null)} onTheirs={onReload} onMine={() => void save(conflict.revision)} />}
      {copying && <CopyDialog board={board} onClose={() => setCopying(false)} />}
    </>
  );
}
