// Logs: what happened, when, where. Search on top, facets on the left, rows, one of them in detail.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { addShortcuts } from "../../lib/keys";
import { useLoad } from "../../lib/load";
import { param, setParams } from "../../lib/router";
import { from, range, tick, to } from "../../lib/time";
import { Guard } from "../../ui/guard";
import type { ListHandle } from "../../ui/VirtualList";
import { Context } from "./Context";
import { Detail } from "./Detail";
import { Facets } from "./Facets";
import { fetchPage, findRow } from "./fetch";
import { Head } from "./Head";
import "./logs.css";
import { askHistogram, idTime, rowId, type Question } from "./model";
import { Rows } from "./Rows";
import { isContext, isTailing, q, refreshRows, search, select, selected, wishes } from "./state";
import { RowStore } from "./store";
import { useTail } from "./useTail";

/** Bars of the histogram: some 10 px each on a large screen. */
const BUCKETS = innerWidth < 700 ? 40 : 100;

export default function Logs() {
  const list = useRef<ListHandle>(null);
  const store = useMemo(() => new RowStore(fetchPage), []);
  const { question: asked, isOld } = useQuestion(store, list);
  const key = `${param("tenant")}\n${asked.q}\n${asked.start}\n${asked.end}\n${wishes.value}`;
  const histogram = useLoad(key, (signal) => askHistogram(asked, BUCKETS, signal));
  useEffect(() => {
    const isOfThis = histogram.data && !histogram.loading && !histogram.error;
    if (isOfThis) store.setHistogram(histogram.data!.data);
  }, [histogram.data, histogram.loading]);
  const tail = useTail(store, list);
  // Going from row to row leaves the facets alone.
  const facets = useMemo(() => <Facets question={asked} />, [asked]);
  const row = selected.value;
  const place = useSelected(store, row);
  const listed = place < 0 ? undefined : store.at(place);
  // A link may name a record that the filters hide.
  const hidden = useLoad(row && !listed && !store.loading.value ? row : null, (signal) => findRow(row, signal));
  const current = listed ?? (hidden.data && rowId(hidden.data) === row ? hidden.data : undefined);
  useRowKeys(store, list, row, place, tail.insert);
  // Keys go on where they were when the record closes.
  useEffect(() => {
    if (!row && (document.activeElement === document.body || document.activeElement === null)) list.current?.element?.focus({ preventScroll: true });
  }, [row]);
  return (
    <div class={`logs ${row ? "detailed" : ""} ${isContext.value && row ? "incontext" : ""}`}>
      <aside class="facets wideonly" aria-label="Facets">
        <Guard reset={key}>{facets}</Guard>
      </aside>
      <section class="logsmain" aria-label="Records">
        <Head question={asked} store={store} histogram={histogram} markMs={row ? idTime(row) : null} tail={tail} isOld={isOld} />
        <div class="logsbody">
          {isContext.value && row ? <Context id={row} row={current} /> : <Rows store={store} list={list} question={asked} place={place} />}
          {row && <Guard reset={row}><Detail id={row} row={current} isLoading={store.loading.value || hidden.loading} /></Guard>}
        </div>
      </section>
    </div>
  );
}

/** The question that is shown. What is read stays: a refresh waits while the reader is not at the top, until it is asked for. */
function useQuestion(store: RowStore, list: { current: ListHandle | null }): { question: Question; isOld: boolean } {
  const shown = useRef<{ key: string; tick: number; wish: number; question: Question } | null>(null);
  const key = `${param("tenant")}\n${q.value}\n${from.value}\n${to.value}`;
  const old = shown.current;
  const isReading = selected.value !== "" || isTailing.value || (list.current?.element?.scrollTop ?? 0) > 0;
  const isOver = !old || old.key !== key || old.wish !== wishes.value || (old.tick !== tick.value && !isReading);
  if (isOver) shown.current = { key, tick: tick.value, wish: wishes.value, question: { q: q.value, ...range.value } };
  const { question } = shown.current!;
  useEffect(() => {
    const anchor = selected.value ? idTime(selected.value) : null;
    if (selected.value) {
      const id = selected.value;
      store.wanted = (row) => rowId(row) === id;
    }
    store.start(question, anchor);
    return () => store.stop();
  }, [question]);
  return { question, isOld: shown.current!.tick !== tick.value };
}

/** The place of the row that the URL names. */
function useSelected(store: RowStore, id: string): number {
  store.version.value;
  const last = useRef({ id: "", place: -1 });
  if (id === "") return -1;
  const { place } = last.current;
  const known = last.current.id === id && place >= 0 ? store.at(place) : undefined;
  if (known && rowId(known) === id) return place;
  const nanos = id.split("-")[0];
  const found = store.find((row) => row.timestamp_unix_nano === nanos && rowId(row) === id);
  last.current = { id, place: found };
  return found;
}

/** Keys of the list that work wherever the focus is. */
function useRowKeys(store: RowStore, list: { current: ListHandle | null }, row: string, place: number, insert: () => void) {
  useEffect(() => {
    const go = (by: number) => {
      const next = place < 0 ? store.firstSeen : place + by;
      const found = store.at(next);
      if (!found) return;
      select(rowId(found));
      list.current?.scrollTo(next);
    };
    const close = () => (isContext.value ? setParams({ context: null }) : select(null));
    return addShortcuts(
      { keys: "j", name: "Next record", run: () => go(1) },
      { keys: "k", name: "Record before", run: () => go(-1) },
      { keys: "c", name: "Context of the record", run: () => row && setParams({ context: isContext.value ? null : "1" }) },
      { keys: "r", name: "Refresh", run: refreshRows },
      { keys: "n", name: "Insert the new records of the live tail", run: insert },
      { keys: "l", name: "Live tail", run: () => setParams({ live: isTailing.value ? null : "1" }) },
      { keys: "x", name: "Take all filters away", run: () => search("") },
      ...(row ? [{ keys: "Escape", name: "Close the record", run: close }] : []),
    );
  }, [row, place]);
}
