// What came over of a board of Grafana, before anything is stored.
import { useState } from "preact/hooks";
import type { ApiError } from "../../lib/api";
import { asError } from "../../lib/load";
import { navigate } from "../../lib/router";
import { titleOf, type Board } from "../../panels/model";
import { Act } from "../../ui/act";
import { Badge, ErrorBox } from "../../ui/parts";
import { nameOf, renamed } from "./change";
import { saveBoard, type Line, type Report } from "./store";

export interface Imported {
  file: string;
  dashboard: Board;
  /** Nothing for a board of ours. */
  report: Report | null;
}

const STATE = { exact: "ok", approximated: "warn", placeholder: "err" } as const;

export function ImportReport({ imported, onClose }: { imported: Imported; onClose: () => void }) {
  const { dashboard, report, file } = imported;
  const [title, setTitle] = useState(titleOf(dashboard));
  const [error, setError] = useState<ApiError | null>(null);
  const save = async () => {
    const name = nameOf(title);
    try {
      const saved = await saveBoard(renamed(dashboard, name, title), null);
      if ("conflict" in saved) throw new Error(`there is a board ${name} already: choose another title`);
      navigate(`/dashboards/${name}`, {});
    } catch (failure) {
      setError(asError(failure));
    }
  };
  const wrong = report?.queries.filter((query) => !query.parsed) ?? [];
  return (
    <div class="page">
      <section class="panel" aria-label="Import">
        <header><h2 class="data">{file}</h2><span class="muted">{report ? `Grafana, schema ${report.schema_version}` : "a board of this format"}</span></header>
        <div class="body report">
          {report && <p>{report.whole ? <Badge state="ok">Nothing is lost</Badge> : <Badge state="warn">Some of it is missing</Badge>} {summary("panels", report.panels)}, {summary("variables", report.variables)}, {report.queries.length - wrong.length} of {report.queries.length} queries can be answered.</p>}
          <form class="row" onSubmit={(event) => { event.preventDefault(); void save(); }}>
            <label class="field">Title<input class="input boardsearch" value={title} onInput={(event) => setTitle(event.currentTarget.value)} /></label>
            <Act role_="editor" class="btn primary">Save as {nameOf(title)}</Act>
            <button type="button" class="btn" onClick={onClose}>Do not keep it</button>
          </form>
          {error && <ErrorBox error={error} />}
        </div>
      </section>
      {report && <Lines title="Panels" lines={report.panels} />}
      {report && <Lines title="Variables" lines={report.variables} />}
      {report && <Lines title="Annotations" lines={report.annotations} />}
      {wrong.length > 0 && (
        <section class="panel" aria-label="Queries">
          <header><h2>Queries without an answer</h2><span class="muted">{wrong.length}</span></header>
          <div class="scroll-x" tabIndex={0}>
            <table class="table">
              <thead><tr><th>Of</th><th>Query</th><th>Why</th></tr></thead>
              <tbody>{wrong.map((query, i) => <tr key={i}><td class="data">{query.of} {query.reference}</td><td class="mono data"><Marked text={query.text} span={query.span} /></td><td class="data">{query.message}</td></tr>)}</tbody>
            </table>
          </div>
        </section>
      )}
    </div>
  );
}

function summary(what: string, lines: readonly Line[]): string {
  const kept = lines.filter((line) => line.outcome !== "placeholder").length;
  const exact = lines.filter((line) => line.outcome === "exact").length;
  return `${kept} of ${lines.length} ${what} come over, ${exact} of them exactly`;
}

function Lines({ title, lines }: { title: string; lines: readonly Line[] }) {
  if (lines.length === 0) return null;
  const order = { placeholder: 0, approximated: 1, exact: 2 };
  const sorted = [...lines].sort((a, b) => order[a.outcome] - order[b.outcome]);
  return (
    <section class="panel" aria-label={title}>
      <header><h2>{title}</h2><span class="muted">{lines.length}</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Name</th><th>Was</th><th>Becomes</th><th>How</th><th>What is other</th></tr></thead>
          <tbody>
            {sorted.map((line, i) => (
              <tr key={i}>
                <td class="data">{line.name || <span class="muted">without a title</span>}</td>
                <td class="data">{line.from}</td>
                <td class="data">{line.becomes}</td>
                <td><Badge state={line.lost.length > 0 ? "err" : STATE[line.outcome]}>{line.outcome}</Badge></td>
                <td class="data">{[...line.reasons, ...line.lost].join("; ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** A query with the bytes marked that are meant. */
function Marked({ text, span }: { text: string; span: [number, number] | null }) {
  if (!span) return <>{text}</>;
  const bytes = new TextEncoder().encode(text);
  const part = (from: number, to: number) => new TextDecoder().decode(bytes.slice(from, to));
  return <>{part(0, span[0])}<mark>{part(span[0], Math.max(span[1], span[0])) || "▾"}</mark>{part(Math.max(span[1], span[0]), bytes.length)}</>;
}
