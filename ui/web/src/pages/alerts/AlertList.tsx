// The list of alerts, what needs somebody first, with what they did in the range.
import { useMemo, useState } from "preact/hooks";
import { href, navigate, param, setParams } from "../../lib/router";
import { ago, formatTime, rangeLabel } from "../../lib/time";
import { Act } from "../../ui/act";
import { Badge, Empty } from "../../ui/parts";
import { VirtualList } from "../../ui/VirtualList";
import type { Overview } from "./fetch";
import { badgeOf, isPage, matches, matchersOf, shownLabels, type Row } from "./model";
import { StateStrip, statesText } from "./States";

const ROW_HEIGHT = 46;
const ROWS_SEEN = 16;

export const linkOf = (row: Pick<Row, "name" | "labels">) => href(`/alerts/${encodeURIComponent(row.name)}`, { of: JSON.stringify(row.labels), q: null, view: null });

export function AlertList({ data, busy, onSilence }: { data?: Overview; busy: boolean; onSilence: (matchers: string) => void }) {
  const search = param("q");
  const rows = useMemo(() => (data?.rows ?? []).filter((row) => matches(row, search)), [data, search]);
  const [active, setActive] = useState(0);
  const stepS = data && data.times.length > 1 ? data.times[1] - data.times[0] : 60;
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      setActive((at) => Math.max(0, Math.min(rows.length - 1, at + by)));
    } else if (event.key === "Enter" && event.target === event.currentTarget && rows[active]) navigate(linkOf(rows[active]));
    else if (event.key === "s" && rows[active]) onSilence(matchersOf(rows[active].labels));
  };
  return (
    <section class={`panel ${busy && data ? "busy" : ""}`} aria-label="Alerts">
      <header>
        <h2>{data ? counted(data.rows) : "…"}</h2>
        <span class="muted">{rangeLabel()} · what needs somebody first</span>
        <span class="grow" />
        <input class="input search" type="search" placeholder="Search alerts and labels" aria-label="Search alerts and labels" value={search} onInput={(e) => setParams({ q: e.currentTarget.value }, { replace: true })} />
      </header>
      {rows.length > 0 ? (
        <div class="alertrows" style={{ height: `${Math.min(rows.length, ROWS_SEEN) * ROW_HEIGHT + 2}px` }}>
          <VirtualList
            label="Alerts" role="grid" count={rows.length} rowHeight={ROW_HEIGHT} version={data} onKeyDown={keys} columns={5}
            active={rows[active] ? `alert-${active}` : undefined}
            render={(at) => <AlertRow key={rows[at].key} row={rows[at]} at={at} isActive={at === active} steps={data!.times.length} stepS={stepS} onSilence={onSilence} />}
          />
        </div>
      ) : data ? (
        <Nothing data={data} search={search} />
      ) : (
        <div class="alertrows placeholder" />
      )}
    </section>
  );
}

function AlertRow({ row, at, isActive, steps, stepS, onSilence }: { row: Row; at: number; isActive: boolean; steps: number; stepS: number; onSilence: (matchers: string) => void }) {
  const badge = badgeOf(row);
  const text = row.annotations.summary ?? row.annotations.description ?? "";
  return (
    <div class={`alertrow ${isActive ? "active" : ""}`} role="row" id={`alert-${at}`} aria-rowindex={at + 1}>
      <span role="gridcell"><Badge state={badge.state}>{badge.word}</Badge></span>
      <span role="gridcell" class="what">
        <span class="clip"><a class="data name" href={linkOf(row)}>{row.name}</a> <span class="data muted">{text}</span></span>
        <span class="clip mono muted data">{shownLabels(row.labels).map(([name, value]) => `${name}=${value}`).join("  ")}</span>
      </span>
      <span role="gridcell" class="strip"><StateStrip states={row.states} steps={steps} page={isPage(row.labels)} label={`${row.name}: ${statesText(row.states, stepS)}`} /></span>
      <span role="gridcell" class="since muted" title={formatTime(row.since)}>{row.state === "over" ? ago(row.since) : row.since > 0 ? `for ${ago(row.since).replace(" ago", "")}` : ""}</span>
      <span role="gridcell" class="do">{row.state !== "over" && !row.quiet && <Act role_="editor" class="btn small plain" title={`Silence ${row.name}`} onClick={() => onSilence(matchersOf(row.labels))}>Silence</Act>}</span>
    </div>
  );
}

function counted(rows: readonly Row[]): string {
  const of = (test: (row: Row) => boolean) => rows.filter(test).length;
  const parts = [
    [of((r) => r.state === "firing" && !r.quiet), "firing"],
    [of((r) => r.state === "pending" && !r.quiet), "pending"],
    [of((r) => r.quiet !== ""), "kept quiet"],
    [of((r) => r.state === "over"), "over"],
  ] as const;
  return parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`).join(" · ") || "Nothing fires";
}

function Nothing({ data, search }: { data: Overview; search: string }) {
  const rules = data.groups.reduce((sum, group) => sum + group.rules.filter((rule) => rule.type === "alerting").length, 0);
  if (search && data.rows.length > 0) {
    return <Empty title={`No alert matches “${search}”.`}><button class="btn" onClick={() => setParams({ q: null })}>Show all {data.rows.length}</button></Empty>;
  }
  if (rules === 0) {
    return <Empty title="There are no alerting rules."><p>Name rule files in <code>alerting.rule_files</code>, or make one of a query: Metrics, “Alert on this”.</p><a class="btn primary" href={href("/metrics")}>Open Metrics</a></Empty>;
  }
  return <Empty title="Nothing fires, and nothing did in this range."><p>{rules} alerting rules are watched. <a href={href("/alerts", { view: "rules" })}>Look at them</a></p></Empty>;
}
