// One cell: editor, run, result as chart and table, what it took.
import { useEffect, useMemo, useState } from "preact/hooks";
import { LineChart, rankSeries } from "../../chart/LineChart";
import { Editor } from "../../editor/Editor";
import { ask, curl, type Answer, type ApiError } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { expandMacros, queryRange, seriesName } from "../../lib/promql";
import type { SqlRows } from "../../lib/schema";
import { href } from "../../lib/router";
import { from, iso, range, stepFor, tick, to } from "../../lib/time";
import { formatCount } from "../../lib/units";
import { Icon } from "../../ui/icons";
import { Copy, Empty, ErrorBox, Notices, Segmented, StatsLine } from "../../ui/parts";
import { csvOf, pictureOf, withRange, type Cell } from "./cells";
import { Rows } from "./Rows";

/** Rows that are asked for: what a person looks at. A LIMIT in the text still holds. */
const ROWS_MAX = 10_000;

async function run({ language, text }: Cell, signal: AbortSignal): Promise<Answer<SqlRows>> {
  if (language === "sql") return ask<SqlRows>("/api/v1/sql", { q: withRange(text, range.value) }, signal);
  const step = stepFor(range.value, 300);
  const { data, ...rest } = await queryRange(expandMacros(text, range.value, step), range.value, step, signal);
  // One form for both languages: a row per time and series.
  const rows: unknown[][] = [];
  for (const { labels, values } of data.series) {
    const name = seriesName(labels);
    for (let i = 0; i < values.length && rows.length < ROWS_MAX; i++) if (values[i] !== null) rows.push([iso(data.times[i] * 1000), name, values[i]]);
  }
  return { ...rest, data: { columns: ["time", "series", "value"], types: ["timestamp", "text", "double"], rows } };
}

/** `(line 1, column 8)` of the server's message as characters of the text. */
function placeOf(error: ApiError | undefined, text: string): { start: number; end: number } | null {
  const found = error && (/line (\d+),? column (\d+)/i.exec(error.message) ?? /\b(\d+):(\d+): parse error/.exec(error.message));
  if (!found) return null;
  const before = text.split("\n").slice(0, Number(found[1]) - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const start = before + Number(found[2]) - 1;
  const word = /^\w+/.exec(text.slice(start))?.[0].length ?? 1;
  return { start, end: start + word };
}

export function CellView({ cell, number, onChange, onRemove }: { cell: Cell; number: number; onChange: (cell: Cell) => void; onRemove?: () => void }) {
  const [draft, setDraft] = useState(cell.text);
  const [view, setView] = useState<"auto" | "table">("auto");
  useEffect(() => setDraft(cell.text), [cell.text]);
  const key = `${cell.language} ${cell.text} ${from.value} ${to.value} ${tick.value} ${param()}`;
  const { data: answer, error, loading, reload } = useLoad(cell.text.trim() ? key : null, (signal) => run(cell, signal));
  const picture = useMemo(() => (answer ? pictureOf(answer.data) : null), [answer]);
  const start = (text: string) => (text === cell.text ? reload() : onChange({ ...cell, text }));
  const rows = answer?.data.rows.length ?? 0;
  return (
    <section class="panel cell" aria-label={`Cell ${number}`}>
      <div class="cellhead">
        <Segmented label="Language" value={cell.language} choices={[{ value: "sql", label: "SQL" }, { value: "promql", label: "PromQL" }]} onChange={(language) => onChange({ language, text: draft })} />
        <span class="grow"><StatsLine stats={answer?.stats}>{answer ? `${formatCount(rows)} row${rows === 1 ? "" : "s"}` : loading ? "running…" : ""}</StatsLine></span>
        {picture && <Segmented label="Form" value={view} choices={[{ value: "auto", label: "Chart" }, { value: "table", label: "Table" }]} onChange={setView} />}
        <button class="btn primary" onClick={() => start(draft)}>Run <kbd>Ctrl ↵</kbd></button>
        {onRemove && <button class="btn icon" aria-label={`Remove cell ${number}`} onClick={onRemove}><Icon name="trash" /></button>}
      </div>
      <Editor language={cell.language} label={`${cell.language === "sql" ? "SQL" : "PromQL"}, cell ${number}`} value={draft} rows={cell.language === "sql" ? 3 : 1} onChange={setDraft} onRun={start} mark={draft === cell.text ? placeOf(error, cell.text) : null} />
      {error && <ErrorBox error={error} retry={reload}>{cell.language === "sql" && <a class="btn small" href={href("/logs")}>Search logs instead</a>}</ErrorBox>}
      <Notices list={answer?.warnings} />
      {answer && !error && (rows === 0 ? <Empty title="No rows."><p>The question is right, and nothing matches it. <code>$from</code> and <code>$to</code> stand for the range above.</p></Empty> : (
        <div class={loading ? "busy" : ""}>
          {picture && view === "auto" && <LineChart data={picture.data} slots={rankSeries(picture.data).slots} height={220} fill label={`Chart of cell ${number}`} />}
          {picture && view === "auto" && picture.data.series.length > 1 && <Legend picture={picture} />}
          {(!picture || view === "table") && <Rows data={answer.data} />}
          <div class="row cellfoot">
            <Copy label="curl" text={() => (cell.language === "sql" ? curl("/api/v1/sql", { q: withRange(cell.text, range.value) }) : curl("/api/v1/query_range", { query: cell.text, start: String(range.value.start / 1000), end: String(range.value.end / 1000), step: String(stepFor(range.value, 300)) }))} />
            <Copy label="CSV" text={() => csvOf(answer.data)} />
            {cell.language === "promql" && <a class="btn small" href={href("/metrics", { q: cell.text })}>Open in Metrics</a>}
          </div>
        </div>
      ))}
    </section>
  );
}

/** The tenant is part of what is asked. */
const param = () => new URLSearchParams(location.search).get("tenant") ?? "";

function Legend({ picture }: { picture: NonNullable<ReturnType<typeof pictureOf>> }) {
  const { order, slots } = rankSeries(picture.data);
  return (
    <div class="row legend">
      {order.slice(0, 8).map((i) => (
        <span key={i} class="row"><i class="swatch" style={{ background: `var(--c${(slots[i] ?? 0) + 1})` }} /> <span class="data">{Object.values(picture.data.series[i].labels).join(" ") || "(empty)"}</span></span>
      ))}
      {order.length > 8 && <span class="muted">and {order.length - 8} more in grey</span>}
    </div>
  );
}
