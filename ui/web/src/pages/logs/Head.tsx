// Above the rows: search, what is filtered, what it took, how many when.
import { useMemo, useState } from "preact/hooks";
import { ask, curl, type Answer, type ApiError } from "../../lib/api";
import { asError, type Loaded } from "../../lib/load";
import { href, navigate, setParams } from "../../lib/router";
import { formatCount } from "../../lib/units";
import { Bars, type Layer } from "../../chart/Bars";
import { Icon } from "../../ui/icons";
import { Copy, ErrorBox, Notices, Popover, StatsLine } from "../../ui/parts";
import { Facets } from "./Facets";
import { bounds, LEVEL_COLOR, type Histogram, type Level, type Question } from "./model";
import { INTRINSICS } from "../../lib/complete";
import { SearchBar } from "../../ui/SearchBar";
import { proposer } from "./propose";
import { isTailing, lines, q, refreshRows, search } from "./state";
import type { RowStore } from "./store";
import { terms, without } from "../../lib/terms";
import type { Tail } from "./useTail";

interface HeadProps {
  question: Question;
  store: RowStore;
  histogram: Loaded<Answer<Histogram>>;
  markMs: number | null;
  tail: Tail;
  /** A refresh was due, and waits because the reader reads. */
  isOld: boolean;
}

export function Head({ question, store, histogram, markMs, tail, isOld }: HeadProps) {
  store.version.value;
  const total = histogram.data?.data.total;
  const known = store.isWhole ? store.count : undefined;
  const count = known ?? total;
  const error = store.error.value;
  const [failed, setFailed] = useState<ApiError | null>(null);
  const toSql = async () => {
    setFailed(null);
    try {
      const answer = await ask<{ sql: string; notes?: string[] }>("/api/v1/sql/of", { signal: "logs", ...bounds(question), limit: 1000 });
      // In what the rows may differ stands above the query.
      const notes = (answer.data.notes ?? []).map((note) => `-- ${note}\n`).join("");
      navigate(href("/sql", { q: notes + answer.data.sql }));
    } catch (error) {
      setFailed(asError(error));
    }
  };
  return (
    <header class="logshead">
      <div class="searchline">
        <Popover label="Facets" icon="filter" class="btn narrowonly" align="start">
          {() => <div class="facets"><Facets question={question} /></div>}
        </Popover>
        <SearchBar label="Search in logs" placeholder="error OR timeout   service:checkout   duration>250ms" keys={INTRINSICS} applied={q.value} error={error?.span ? error : undefined} propose={proposer(question)} onSearch={search} />
        <button class="btn" aria-pressed={isTailing.value} onClick={() => setParams({ live: isTailing.value ? null : "1" })} title="New records as they come (l)">
          <Icon name={isTailing.value ? "pause" : "play"} /> <span class="wide">Live tail</span>
        </button>
        <button class="btn wideonly" onClick={() => void toSql()} title="The same rows as SQL">SQL</button>
        <More question={question} toSql={() => void toSql()} />
      </div>
      <div class="chipline">
        <Chips />
        {tail.state && <TailState tail={tail} />}
        {isOld && !tail.state && <button class="btn small" onClick={refreshRows} title="A refresh waits while you read (r)"><Icon name="refresh" size={13} /> Refresh rows</button>}
        {error?.span ? null : <StatsLine stats={store.stats.value}>{count === undefined ? `${formatCount(store.held)}+ rows` : `${formatCount(count)} row${count === 1 ? "" : "s"}`}</StatsLine>}
      </div>
      <Notices list={[...store.warnings.value, ...(histogram.data?.warnings ?? []).filter((text) => !store.warnings.value.includes(text))]} />
      {failed && <ErrorBox error={failed} retry={() => void toSql()} />}
      <div class="logsbars">
        {histogram.error && !error ? <ErrorBox error={histogram.error} retry={histogram.reload} /> : <Levels histogram={histogram.data?.data} busy={histogram.loading || error !== null} markMs={markMs} />}
      </div>
    </header>
  );
}

function Levels({ histogram, busy, markMs }: { histogram?: Histogram; busy: boolean; markMs: number | null }) {
  const layers = useMemo<Layer[]>(() => {
    if (!histogram) return [];
    return histogram.levels.map((name, i) => ({ name, color: LEVEL_COLOR[name as Level] ?? "--c-ctx", counts: histogram.counts[i] ?? [] })).filter((layer) => layer.counts.some((n) => n > 0));
  }, [histogram]);
  if (!histogram || layers.length === 0) return null;
  const most = layers.map((layer) => `${formatCount(layer.counts.reduce((sum, n) => sum + n, 0))} ${layer.name}`).join(", ");
  return (
    <div class={busy ? "busy" : ""}>
      <Bars startMs={histogram.start_ms} stepMs={histogram.step_ms} layers={layers} mark={markMs} label={`Records over time: ${most || "none"}. Drag to zoom.`} />
    </div>
  );
}

/** How the live tail is, and the way to what it brought. */
function TailState({ tail }: { tail: Tail }) {
  return (
    <>
      <span class={`statsline tailstate ${tail.state}`} role="status">{tail.text}</span>
      <button class="btn small tailnew" disabled={tail.count === 0} onClick={tail.insert} title="Put them above (n)">{formatCount(tail.count)} new ↑</button>
      {tail.skipped > 0 && <span class="statsline" title="More than a page can follow: narrow the search">{formatCount(tail.skipped)} skipped</span>}
    </>
  );
}

/** The terms of the search, each of which can be taken away. */
function Chips() {
  const text = q.value;
  const all = terms(text).filter((term) => term.kind !== "keyword" && term.text !== "*");
  if (all.length === 0) return <span class="chips" />;
  return (
    <ul class="chips" aria-label="Filters">
      {all.map((term) => (
        <li key={term.start} class={`chip ${term.negated ? "not" : ""}`}>
          <span class="clip data mono">{term.text}</span>
          <button aria-label={`Take away ${term.text}`} onClick={() => search(without(text, term))}><Icon name="close" size={12} /></button>
        </li>
      ))}
      {all.length > 1 && <li><button class="btn plain small" onClick={() => search("")}>Clear</button></li>}
    </ul>
  );
}

/** The same rows elsewhere, and how rows look. */
function More({ question, toSql }: { question: Question; toSql: () => void }) {
  return (
    <Popover label="Same rows elsewhere, and lines of a row" icon="menu" class="btn icon">
      {(close) => (
        <div class="menu">
          <button onClick={() => { close(); toSql(); }}>Same rows as SQL</button>
          <Copy text={() => curl("/api/v1/logs/search", { ...bounds(question), limit: 1000 })} label="Copy as curl" />
          <Copy text={() => location.href} label="Copy link" />
          <button aria-pressed={lines.value > 1} onClick={() => (lines.value = lines.value === 1 ? 3 : 1)}>{lines.value === 1 ? "Three lines a row" : "One line a row"}</button>
        </div>
      )}
    </Popover>
  );
}
