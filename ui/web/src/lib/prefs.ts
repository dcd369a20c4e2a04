// What belongs to the reader and to no link: theme, zone, refresh, columns. Kept by the browser; a
// browser that keeps nothing (private windows) only forgets.
import { effect, signal, type Signal } from "@preact/signals";

export function preference<T>(name: string, initial: T, valid: (value: unknown) => boolean): Signal<T> {
  const key = `tarn.${name}`;
  let first = initial;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    if (kept !== null && valid(kept)) first = kept as T;
  } catch {
    // Unreadable: as if nothing was kept.
  }
  const value = signal<T>(first);
  effect(() => {
    try {
      if (value.value === initial) localStorage.removeItem(key);
      else localStorage.setItem(key, JSON.stringify(value.value));
    } catch {
      // Full or forbidden: the choice lasts until the tab is closed.
    }
  });
  return value;
}

export const oneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value);
