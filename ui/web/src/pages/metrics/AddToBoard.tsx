// Puts the question on a board of one's own, an old one or a new one, and opens it.
import { useState } from "preact/hooks";
import { asError, useLoad } from "../../lib/load";
import type { ApiError } from "../../lib/api";
import { href, navigate } from "../../lib/router";
import type { Panel } from "../../panels/model";
import { Act } from "../../ui/act";
import { Dialog, ErrorBox } from "../../ui/parts";
import { addPanel, emptyBoard, nameOf, NEW_PANEL } from "../dashboards/change";
import { listBoards, readBoard, saveBoard } from "../dashboards/store";
import { metricIn } from "./names";

/** A panel that draws the question. */
export function panelOf(query: string, title: string): Panel {
  const panel = structuredClone(NEW_PANEL);
  panel.spec.display = { ...panel.spec.display, name: title };
  panel.spec.queries = [{ kind: "TimeSeriesQuery", spec: { plugin: { kind: "PrometheusTimeSeriesQuery", spec: { query } } } }];
  return panel;
}

export function AddToBoard({ query }: { query: string }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button class="btn small" onClick={() => setOpen(true)}>Add to dashboard</button>
      {open && <Choose query={query} onClose={() => setOpen(false)} />}
    </>
  );
}

function Choose({ query, onClose }: { query: string; onClose: () => void }) {
  const { data, error: unread } = useLoad("boards", listBoards);
  const own = data?.dashboards.filter((row) => row.origin === "stored") ?? [];
  const [board, setBoard] = useState("");
  const [title, setTitle] = useState("My board");
  const [name, setName] = useState(metricIn(query) ?? "Query");
  const [error, setError] = useState<ApiError | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      const found = board ? await readBoard(board, new AbortController().signal) : null;
      const before = found?.dashboard ?? emptyBoard(nameOf(title), title);
      const saved = await saveBoard(addPanel(before, panelOf(query, name)).board, found?.revision ?? null);
      if ("conflict" in saved) throw new Error(found ? "somebody else saved this board just now: try again" : `a board is named ${before.metadata.name} already: choose it above, or another title`);
      onClose();
      navigate(href(`/dashboards/${encodeURIComponent(before.metadata.name)}`));
    } catch (failure) {
      setError(asError(failure));
    }
  };
  return (
    <Dialog title="Add to dashboard" onClose={onClose}>
      <form class="keys" onSubmit={save}>
        <h2>Add to dashboard</h2>
        <label class="field">Board
          <select class="input" value={board} onChange={(event) => setBoard(event.currentTarget.value)}>
            <option value="">A new one</option>
            {own.map((row) => <option key={row.name} value={row.name}>{row.title}</option>)}
          </select>
        </label>
        {!board && <label class="field">Its title<input class="input" required value={title} onInput={(event) => setTitle(event.currentTarget.value)} /></label>}
        <label class="field">Title of the panel<input class="input" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <pre class="panel body data">{query}</pre>
        {(error ?? unread) && <ErrorBox error={(error ?? unread)!} />}
        <span class="row"><Act role_="editor" class="btn primary">Add</Act><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}
