// The boards: those that match the data first, one's own, and how to get others in.
import { useState } from "preact/hooks";
import { useLoad } from "../../lib/load";
import { href, navigate, param, setParams } from "../../lib/router";
import { LIMITS } from "../../lib/limits";
import { asError } from "../../lib/load";
import type { ApiError } from "../../lib/api";
import type { Row } from "../../panels/model";
import { Act } from "../../ui/act";
import { Empty, ErrorBox, Notices } from "../../ui/parts";
import { Icon } from "../../ui/icons";
import { emptyBoard, nameOf } from "./change";
import { ImportReport, type Imported } from "./ImportReport";
import { importBoard, listBoards, saveBoard } from "./store";
import "./dashboards.css";

const FROM: Record<Row["origin"], string> = { curated: "built in", folder: "from a file", stored: "yours" };

export default function Dashboards() {
  const { data, error, reload } = useLoad("boards", listBoards);
  const [imported, setImported] = useState<Imported | null>(null);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [over, setOver] = useState(false);
  const take = async (file: File | undefined) => {
    setOver(false);
    setFailed(null);
    if (!file) return;
    try {
      if (file.size > LIMITS.importBytes) throw new Error(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB: boards have at most ${LIMITS.importBytes / 1024 / 1024} MiB`);
      setImported({ file: file.name, ...(await importBoard(await file.text())) });
    } catch (failure) {
      setFailed(asError(failure));
    }
  };
  if (imported) return <ImportReport imported={imported} onClose={() => setImported(null)} />;
  const search = param("q").toLowerCase();
  const fits = (row: Row) => `${row.name} ${row.title} ${row.description} ${row.tags.join(" ")}`.toLowerCase().includes(search);
  const rows = (data?.dashboards ?? []).filter(fits);
  const mine = rows.filter((row) => row.origin !== "curated");
  const ready = rows.filter((row) => row.origin === "curated" && row.matches);
  const idle = rows.filter((row) => row.origin === "curated" && !row.matches);
  return (
    <div
      class={over ? "page dropping" : "page"}
      onDragOver={(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave={(event) => event.currentTarget === event.target && setOver(false)}
      onDrop={(event) => { event.preventDefault(); void take(event.dataTransfer?.files[0]); }}
    >
      <div class="row">
        <input class="input boardsearch" data-search placeholder="Search boards" aria-label="Search boards" value={param("q")} onInput={(event) => setParams({ q: event.currentTarget.value }, { replace: true })} />
        <span class="grow" />
        <label class="btn" tabIndex={0} onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && event.currentTarget.querySelector("input")?.click()}>
          <Icon name="upload" /> Import Grafana JSON
          <input type="file" class="sr" tabIndex={-1} accept=".json,application/json" onChange={(event) => { void take(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }} />
        </label>
        <NewBoard onFail={setFailed} />
      </div>
      {failed && <ErrorBox error={failed} />}
      {error && <ErrorBox error={error} retry={reload} />}
      {data?.problems.map(({ file, problems }) => <Notices key={file} list={[`${file}: ${problems.map(({ path, message }) => (path ? `${path} ${message}` : message)).join("; ")}`]} />)}
      {!data && !error && <div class="progress" role="progressbar" aria-label="Loading" />}
      {data && (
        <>
          <Group title="Yours" rows={mine} note="Made here, or files of a folder.">
            {!search && mine.length === 0 && <p class="muted">None yet. Save a copy of a built-in one, begin with an empty one, or drop a file that Grafana exported anywhere on this page: you are told what of it comes over.</p>}
          </Group>
          <Group title={`${ready.length} board${ready.length === 1 ? "" : "s"} match${ready.length === 1 ? "es" : ""} your data`} rows={ready} note="Built in; they follow what is sent." />
          <Group title="Without data" rows={idle} note="They fill when their metrics arrive." faint />
          {rows.length === 0 && <Empty title="No board fits." />}
        </>
      )}
      <p class="muted drophint">Drop a Grafana export anywhere here.</p>
    </div>
  );
}

function Group({ title, rows, note, faint, children }: { title: string; rows: readonly Row[]; note: string; faint?: boolean; children?: preact.ComponentChildren }) {
  if (rows.length === 0 && !children) return null;
  return (
    <section class="panel boardgroup" aria-label={title}>
      <header><h2>{title}</h2><span class="muted">{note}</span></header>
      {children}
      <ul class={faint ? "boardlist faint" : "boardlist"}>
        {rows.map((row) => (
          <li key={row.name}>
            <a href={href(`/dashboards/${encodeURIComponent(row.name)}`)}>
              <strong class="data">{row.title}</strong>
              <span class="muted clip data">{row.description}</span>
              <span class="muted small data">{row.tags.join(" · ")}</span>
              <span class="muted small num">{row.panels} panels</span>
              <span class="muted small">{FROM[row.origin]}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function NewBoard({ onFail }: { onFail: (error: ApiError) => void }) {
  const [title, setTitle] = useState<string | null>(null);
  const make = async () => {
    const name = nameOf(title || "New board");
    try {
      const saved = await saveBoard(emptyBoard(name, title || "New board"), null);
      if ("conflict" in saved) throw new Error(`there is a board ${name} already: choose another title`);
      navigate(`/dashboards/${name}`, { edit: true });
    } catch (failure) {
      onFail(asError(failure));
    }
  };
  if (title === null) return <Act role_="editor" class="btn primary" onClick={() => setTitle("")}><Icon name="plus" /> New board</Act>;
  return (
    <form class="row" onSubmit={(event) => { event.preventDefault(); void make(); }}>
      <input class="input boardsearch" autofocus placeholder="Title" aria-label="Title of the new board" value={title} onInput={(event) => setTitle(event.currentTarget.value)} />
      <button class="btn primary">Create</button>
      <button type="button" class="btn" onClick={() => setTitle(null)}>Cancel</button>
    </form>
  );
}
