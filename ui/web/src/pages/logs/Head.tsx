// Above the rows: search, what is filtered, what it took, how many when.
import { useMemo } from "preact/hooks";
import { ask, curl, type Answer } from "../../lib/api";
import type { Loaded } from "../../lib/load";
import { href, navigate, setParams } from "../../lib/router";
import { formatCount } from "../../lib/units";
import { Bars, type Layer } from "../../chart/Bars";
import { Icon } from "../../ui/icons";
import { Copy, ErrorBox, Notices, Popover, StatsLine } from "../../ui/parts";
import { Facets } from "./Facets";
import { bounds, LEVEL_COLOR, type Histogram, type Level, type Question } from "./model";
import { SearchBar } from "./SearchBar";
import { isTailing, lines, q, search } from "./state";
import type { RowStore } from "./store";
import { terms, without, type Term } from "./terms";
import type { Tail } from "./useTail";

interface HeadProps {
  question: Question;
  store: RowStore;
  histogram: Loaded<Answer<Histogram>>;
  markMs: number | null;
  tail: Tail;
}

export function Head({ question, store, histogram, markMs, tail }: HeadProps) {
  store.version.value;
  const total = histogram.data?.data.total;
  const known = store.isEnd ? store.count : undefined;
  const count = known ?? total;
  const error = store.error.value;
  return (
    <header class="logshead">
      <div class="searchline">
        <Popover label="Facets" icon="filter" class="btn narrowonly" align="start">
          {() => <div class="facets"><Facets question={question} /></div>}
        </Popover>
        <SearchBar applied={q.value} error={error?.span ? error : undefined} question={question} />
        <button class="btn" aria-pressed={isTailing.value} onClick={() => setParams({ live: isTailing.value ? null : "1" })} title="New records as they come (l)">
          <Icon name={isTailing.value ? "pause" : "play"} /> <span class="wide">Live tail</span>
        </button>
        <More question={question} />
      </div>
      <div class="chipline">
        <Chips />
        {tail.state && <span class={`statsline tailstate ${tail.state}`} role="status">{tail.text}</span>}
        <StatsLine stats={store.stats.value}>{count === undefined ? `${formatCount(store.held)}+ rows` : `${formatCount(count)} row${count === 1 ? "" : "s"}`}</StatsLine>
      </div>
      <Notices list={[...store.warnings.value, ...(histogram.data?.warnings ?? []).filter((text) => !store.warnings.value.includes(text))]} />
      <div class="logsbars">
        {histogram.error && !error ? <ErrorBox error={histogram.error} retry={histogram.reload} /> : <Levels histogram={histogram.data?.data} busy={histogram.loading} markMs={markMs} />}
      </div>
    </header>
  );
}

function Levels({ histogram, busy, markMs }: { histogram?: Histogram; busy: boolean; markMs: number | null }) {
  const layers = useMemo<Layer[]>(() => {
    if (!histogram) return [];
    return histogram.levels.map((name, i) => ({ name, color: LEVEL_COLOR[name as Level] ?? "--c-ctx", counts: histogram.counts[i] ?? [] })).filter((layer) => layer.counts.some((n) => n > 0));
  }, [histogram]);
  if (!histogram) return null;
  const most = layers.map((layer) => `${formatCount(layer.counts.reduce((sum, n) => sum + n, 0))} ${layer.name}`).join(", ");
  return (
    <div class={busy ? "busy" : ""}>
      <Bars startMs={histogram.start_ms} stepMs={histogram.step_ms} layers={layers} mark={markMs} label={`Records over time: ${most || "none"}. Drag to zoom.`} />
    </div>
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

export type { Term };

/** The same rows elsewhere, and how rows look. */
function More({ question }: { question: Question }) {
  const toSql = async () => {
    const answer = await ask<{ sql: string }>("/api/v1/sql/of", { signal: "logs", ...bounds(question), limit: 1000 });
    navigate(href("/sql", { q: answer.data.sql }));
  };
  return (
    <Popover label="Same rows elsewhere, and lines of a row" icon="menu" class="btn icon">
      {(close) => (
        <div class="menu">
          <button onClick={() => void toSql().finally(close)}>Same rows as SQL</button>
          <Copy text={() => curl("/api/v1/logs/search", { ...bounds(question), limit: 1000 })} label="Copy as curl" />
          <Copy text={() => location.href} label="Copy link" />
          <button aria-pressed={lines.value > 1} onClick={() => (lines.value = lines.value === 1 ? 3 : 1)}>{lines.value === 1 ? "Three lines a row" : "One line a row"}</button>
        </div>
      )}
    </Popover>
  );
}
