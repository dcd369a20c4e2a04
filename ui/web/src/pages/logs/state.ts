// What the page shows, all of it from the URL, and the changes that its parts make.
import { computed, signal } from "@preact/signals";
import { preference } from "../../lib/prefs";
import { param, setParams } from "../../lib/router";
import { refresh } from "../../lib/time";
import { only, toggle, withTerm } from "../../lib/terms";

export const q = computed(() => param("q"));
export const selected = computed(() => param("row"));
export const columns = computed(() => param("cols").split(",").map(decode).filter((key) => key !== ""));
export const isTailing = computed(() => param("live") === "1");
export const isContext = computed(() => param("context") === "1");

/** Lines of a row. */
export const lines = preference<number>("logs.lines", 1, (value) => value === 1 || value === 3);
/** Facets that the reader always wants. */
export const pinned = preference<string[]>("logs.facets", [], (value) => Array.isArray(value) && value.every((one) => typeof one === "string"));

/** Columns of the list at most: more leave no room for the body. */
const COLUMNS_MAX = 8;

/** Counts what the reader refreshed although rows are being read. */
export const wishes = signal(0);

export function refreshRows() {
  wishes.value++;
  refresh();
}

export const search = (text: string) => setParams({ q: text.trim(), row: null, context: null });

export const filter = (key: string, value: string, how: "include" | "exclude") => search(toggle(q.value, key, value, how));
export const filterOnly = (key: string, value: string) => search(only(q.value, key, value));
export const require = (term: string) => search(withTerm(q.value, term));

/** Selects a row; going from row to row leaves one step in the browser's history. */
export const select = (id: string | null) => setParams({ row: id, context: null }, { replace: selected.value !== "" && id !== null });

export function toggleColumn(key: string) {
  const now = columns.value;
  const next = now.includes(key) ? now.filter((one) => one !== key) : [...now, key].slice(-COLUMNS_MAX);
  setParams({ cols: next.map(encode).join(",") }, { replace: true });
}

export function togglePin(key: string) {
  pinned.value = pinned.value.includes(key) ? pinned.value.filter((one) => one !== key) : [...pinned.value, key];
}

// A key may have a comma in it.
const encode = (key: string) => key.replace(/[%,]/g, encodeURIComponent);

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
