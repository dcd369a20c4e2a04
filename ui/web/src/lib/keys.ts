// Keys: single ones, with Ctrl, and chords (`g m`). Each has a visible name, listed under `?`.
import { signal } from "@preact/signals";

export interface Shortcut {
  /** `g m`, `Ctrl k`, `j`, `Escape`. */
  keys: string;
  name: string;
  run: (event: KeyboardEvent) => void;
  /** Works while text is edited, too. */
  always?: boolean;
}

const shortcuts = new Set<Shortcut>();
export const shortcutTick = signal(0);
let pending = "";
let pendingAt = 0;

/** Adds shortcuts; returns what takes them away again. */
export function addShortcuts(...added: Shortcut[]): () => void {
  for (const one of added) shortcuts.add(one);
  shortcutTick.value = shortcutTick.peek() + 1;
  return () => {
    for (const one of added) shortcuts.delete(one);
    shortcutTick.value = shortcutTick.peek() + 1;
  };
}

export function allShortcuts(): Shortcut[] {
  shortcutTick.value;
  return [...shortcuts];
}

function isEditing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return !!element?.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true], .cm-editor");
}

export function startKeys() {
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    // What floats above the page is closed by the browser first.
    if (event.key === "Escape" && document.querySelector(":popover-open")) return;
    const editing = isEditing(event.target) || document.querySelector("dialog[open]") !== null;
    const name = event.ctrlKey || event.metaKey ? `Ctrl ${event.key.toLowerCase()}` : event.altKey ? `Alt ${event.key}` : event.key;
    const chord = Date.now() - pendingAt < 1200 ? `${pending} ${name}` : "";
    // What ends a chord is no key of its own. The last added wins: a page's own key is meant before the shell's.
    const known = [...shortcuts].reverse().filter((one) => !editing || one.always);
    const found = known.find((one) => one.keys === chord) ?? known.find((one) => one.keys === name);
    pending = "";
    if (found) {
      event.preventDefault();
      found.run(event);
    } else if (!editing && [...shortcuts].some((one) => one.keys.startsWith(`${name} `))) {
      pending = name;
      pendingAt = Date.now();
    }
  });
}
