// Live tail as a part of the page: rows that come wait above the list, where they move nothing.
import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../../lib/api";
import { asError } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { setParams } from "../../lib/router";
import type { ListHandle } from "../../ui/VirtualList";
import { isTailing, q } from "./state";
import type { RowStore } from "./store";
import { LineReader, pauseMs, TailBuffer } from "./tail";

export interface Tail {
  state: "" | "on" | "waiting" | "failed";
  text: string;
  /** Rows that wait, and those that were left out. */
  count: number;
  skipped: number;
  insert: () => void;
}

/** How often what came is counted on the page, in ms. */
const COUNT_MS = 250;
/** A stream without a sign of life for so long is opened again; the server beats every 5 s. */
const SILENT_MS = 15_000;

export function useTail(store: RowStore, list: { current: ListHandle | null }): Tail {
  const buffer = useRef(new TailBuffer(LIMITS.tailRows));
  const [seen, setSeen] = useState({ count: 0, skipped: 0 });
  const [state, setState] = useState<{ state: Tail["state"]; text: string }>({ state: "", text: "" });
  const isOn = isTailing.value;
  const text = q.value;
  useEffect(() => {
    buffer.current = new TailBuffer(LIMITS.tailRows);
    setSeen({ count: 0, skipped: 0 });
    if (!isOn) {
      setState({ state: "", text: "" });
      return;
    }
    const stop = follow(text, buffer.current, setState);
    const timer = setInterval(() => {
      const { count, skipped } = buffer.current;
      setSeen((old) => (old.count === count && old.skipped === skipped ? old : { count, skipped }));
    }, COUNT_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [isOn, text]);
  const insert = () => {
    if (buffer.current.count === 0) return;
    const rows = buffer.current.take();
    if (!store.prepend(rows)) setParams({ from: null, to: null, row: null });
    setSeen({ count: 0, skipped: buffer.current.skipped });
    if (list.current?.element) list.current.element.scrollTop = 0;
  };
  return { ...state, ...seen, insert };
}

type Tell = (state: { state: Tail["state"]; text: string }) => void;

/** Follows a search until it is stopped; opens the stream again when it breaks, closes it while nobody looks. */
function follow(text: string, buffer: TailBuffer, tell: Tell): () => void {
  let abort = new AbortController();
  let isStopped = false;
  let tries = 0;
  let breaks = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = async () => {
    if (isStopped || document.hidden) return;
    abort = new AbortController();
    tell({ state: "waiting", text: "Connecting…" });
    try {
      await read(text, buffer, abort, () => {
        tries = 0;
        tell({ state: "on", text: breaks === 0 ? "● Live" : "● Live again; a refresh shows what came meanwhile" });
        breaks++;
      });
      again();
    } catch (error) {
      if (isStopped || document.hidden) return;
      const failed = asError(error);
      if (failed.status >= 400 && failed.status < 500 && failed.status !== 408 && failed.status !== 429) tell({ state: "failed", text: `Live tail stopped: ${failed.message}` });
      else again();
    }
  };
  const again = () => {
    if (isStopped || document.hidden) return;
    const wait = pauseMs(tries++);
    tell({ state: "waiting", text: `Not connected, next try in ${Math.ceil(wait / 1000)} s` });
    timer = setTimeout(() => void open(), wait);
  };
  const looked = () => {
    clearTimeout(timer);
    abort.abort();
    if (document.hidden) tell({ state: "waiting", text: "Paused while the tab is hidden" });
    else void open();
  };
  document.addEventListener("visibilitychange", looked);
  void open();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    abort.abort();
    document.removeEventListener("visibilitychange", looked);
  };
}

/** Reads one stream to its end. */
async function read(text: string, buffer: TailBuffer, abort: AbortController, opened: () => void) {
  const response = await send("/api/v1/logs/tail", { q: text }, { signal: abort.signal, endless: true });
  opened();
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  const lines = new LineReader();
  let silent = setTimeout(() => abort.abort(), SILENT_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silent);
      silent = setTimeout(() => abort.abort(), SILENT_MS);
      for (const event of lines.push(value)) {
        if ("row" in event) buffer.add(event.row);
        else if ("skipped" in event) buffer.skipped += event.skipped;
      }
    }
  } finally {
    clearTimeout(silent);
  }
}
