// The list: every row of the range behind one scrollbar, drawn only where it is seen.
import { Component } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { zone } from "../../lib/time";
import { Icon } from "../../ui/icons";
import { ErrorBox } from "../../ui/parts";
import { OVERSCAN, VirtualList, type ListHandle } from "../../ui/VirtualList";
import { bodyOf, levelOf, levelWord, rowId, valueOf, type LogRow, type Question } from "./model";
import { rowTime } from "./rowTime";
import { columns, lines, refreshRows, select, toggleColumn } from "./state";
import type { RowStore } from "./store";
import { oneLine } from "../../lib/text";
import { Nothing } from "./Nothing";
import { SearchHelp } from "./SearchHelp";

/** Heights of a row of one line, and of three. */
const ROW_PX = 24;
const ROW3_PX = 57;

interface RowsProps {
  store: RowStore;
  list: { current: ListHandle | null };
  question: Question;
  /** The place of the row that is open, -1 where none is. */
  place: number;
}

export function Rows({ store, list, question, place }: RowsProps) {
  const version = store.version.value;
  const rowHeight = lines.value > 1 ? ROW3_PX : ROW_PX;
  const cols = columns.value;
  const { count } = store;
  useLayoutEffect(() => {
    const { element } = list.current ?? {};
    if (element && store.isFresh) element.scrollTop = 0;
    else if (element && store.shift !== 0) element.scrollTop += store.shift * rowHeight;
    store.isFresh = false;
    store.shift = 0;
  }, [version]);
  useLayoutEffect(() => {
    if (!store.wanted || store.held === 0) return;
    const place = store.find(store.wanted);
    store.wanted = null;
    if (place >= 0) list.current?.scrollTo(place, "center");
  }, [version]);
  // Back from the context, the row is where it was.
  useEffect(() => {
    if (place >= 0) list.current?.scrollTo(place, "center");
  }, []);
  const error = store.error.value;
  const isStale = store.stale.value;
  const failed = error && !error.span && <ErrorBox error={error} retry={isStale ? refreshRows : () => store.retry()} />;
  if (error && (error.span || store.held === 0)) return <div class="logslist">{error.span ? <SearchHelp /> : failed}</div>;
  if (store.isEmpty) return <div class="logslist"><Nothing question={question} /></div>;
  const pick = (event: MouseEvent) => {
    const at = placeOf(event.target);
    // A text that is being marked is not a click.
    if (at === null || !document.getSelection()?.isCollapsed) return;
    const row = store.at(at);
    if (row) select(rowId(row));
  };
  const keyed = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 || (event.key === "Enter" && place < 0)) {
      event.preventDefault();
      const next = place < 0 ? store.firstSeen : place + step;
      const row = store.at(next);
      if (!row) return;
      select(rowId(row));
      list.current?.scrollTo(next);
    } else if (event.key === "Enter") document.querySelector<HTMLElement>(".detail")?.focus();
    else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      list.current?.scrollTo(event.key === "Home" ? 0 : count - 1, "start");
    }
  };
  const pool = Math.ceil(innerHeight / rowHeight) + 2 * OVERSCAN + 2;
  const grid = `164px 44px 92px ${cols.map(() => "130px").join(" ")} minmax(120px, 1fr)`;
  return (
    <div class={`logslist lines${lines.value}`} style={{ "--grid": grid }} onClick={pick} aria-busy={store.loading.value}>
      {failed}
      {cols.length > 0 && <Header cols={cols} />}
      <VirtualList
        count={count}
        rowHeight={rowHeight}
        role="grid"
        label="Log records, newest first"
        class={isStale && store.held > 0 ? "busy" : ""}
        version={version}
        handle={list}
        active={place >= 0 ? "log-selected" : undefined}
        onRange={(first, last) => store.near(first === 0 ? 0 : first + OVERSCAN, last)}
        onKeyDown={keyed}
        render={(at) => {
          const row = store.at(at);
          // Rows that leave lend their elements to those that come: filling them is cheaper than making them.
          return <Line key={at % pool} row={row} at={at} isSelected={at === place} cols={cols} zone={zone.value} lines={lines.value} />;
        }}
      />
    </div>
  );
}

function Header({ cols }: { cols: readonly string[] }) {
  return (
    <div class="logrow logcols">
      <span>time</span><span>level</span><span class="svc">service</span>
      {cols.map((key) => (
        <button key={key} class="col" title={`Take the column ${key} away`} onClick={() => toggleColumn(key)}>
          <span class="clip data">{oneLine(key)}</span> <Icon name="close" size={11} />
        </button>
      ))}
      <span>body</span>
    </div>
  );
}

function placeOf(target: EventTarget | null): number | null {
  const line = (target as Element | null)?.closest?.<HTMLElement>("[data-at]");
  return line ? Number(line.dataset.at) : null;
}

interface LineProps {
  row: LogRow | undefined;
  at: number;
  isSelected: boolean;
  cols: readonly string[];
  zone: string;
  lines: number;
}

/** A row; drawn again only when something of it changed. */
class Line extends Component<LineProps> {
  shouldComponentUpdate(next: LineProps) {
    const { props } = this;
    return next.row !== props.row || next.at !== props.at || next.isSelected !== props.isSelected || next.cols !== props.cols || next.zone !== props.zone || next.lines !== props.lines;
  }

  render({ row, at, isSelected, cols }: LineProps) {
    if (!row) return <div class="logrow waiting" role="row" aria-rowindex={at + 1} data-at={at}><span role="gridcell">…</span></div>;
    const level = levelOf(row);
    const time = rowTime(row);
    return (
      <div class={`logrow l-${level}`} role="row" id={isSelected ? "log-selected" : undefined} aria-rowindex={at + 1} aria-selected={isSelected} data-at={at}>
        <time role="gridcell"><span class="date">{time.slice(0, 11)}</span>{time.slice(11)}</time>
        <span role="gridcell" class="lvl">{levelWord(row)}</span>
        <span role="gridcell" class="clip data svc">{oneLine(row.service ?? "")}</span>
        {cols.map((key) => <span key={key} role="gridcell" class="clip data col">{oneLine(valueOf(row, key))}</span>)}
        <span role="gridcell" class="data bod">{oneLine(bodyOf(row)) || <i class="muted">{row.event_name ? oneLine(row.event_name) : "(no body)"}</i>}</span>
      </div>
    );
  }
}
