// Dialogs of saving.
import { useState } from "preact/hooks";
import type { ApiError } from "../../lib/api";
import { asError } from "../../lib/load";
import { navigate } from "../../lib/router";
import { titleOf, type Board } from "../../panels/model";
import { Dialog, ErrorBox } from "../../ui/parts";
import { nameOf, renamed } from "./change";
import { saveBoard, type Conflict } from "./store";

/** Somebody else saved meanwhile: both are shown, nobody's change goes by itself. */
export function ConflictDialog({ conflict, onClose, onTheirs, onMine }: { conflict: Conflict; onClose: () => void; onTheirs: () => void; onMine: () => void }) {
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

export function CopyDialog({ board, onClose }: { board: Board; onClose: () => void }) {
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
