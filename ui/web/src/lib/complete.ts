// What the caret stands in: the key of a term, or the value of one. Pure, so that it can be tested.
import { keyText, valueText } from "./terms";

export interface Wanted {
  kind: "key" | "value";
  /** What is replaced when something is taken. */
  from: number;
  to: number;
  /** What is written of it. */
  prefix: string;
  /** The key whose value is wanted. */
  key?: string;
}

/** Keys that every record has. */
export const INTRINSICS = ["level", "service", "body", "trace", "span", "event"];
export const LEVEL_VALUES = ["error", "warn", "info", "debug", "trace", "fatal"];

/** Says what could be completed at a place, null where nothing. */
export function wantedAt(text: string, caret: number): Wanted | null {
  let start = caret;
  while (start > 0 && !/[\s()]/.test(text[start - 1])) start--;
  const token = text.slice(start, caret);
  // Inside a phrase or an expression there is nothing to propose.
  const quotes = text.slice(0, caret).match(/(^|[^\\])"/g)?.length ?? 0;
  const opened = /^-?((?:[^:=<>!"\\]|\\.)+)(:|!=|>=|<=|=|>|<)"([^"]*)$/.exec(text.slice(lastBreak(text, caret), caret));
  if (opened && quotes % 2 === 1) {
    const from = caret - opened[3].length - 1;
    return { kind: "value", from, to: caret, prefix: opened[3], key: opened[1].replace(/\\(.)/g, "$1") };
  }
  if (quotes % 2 === 1 || /^-?\//.test(token)) return null;
  const field = /^(-?)((?:[^:=<>!\\]|\\.)+)(:|!=|>=|<=|=|>|<)(.*)$/s.exec(token);
  if (field) {
    if (field[4].startsWith("/")) return null;
    return { kind: "value", from: caret - field[4].length, to: wordEnd(text, caret), prefix: field[4], key: field[2].replace(/\\(.)/g, "$1") };
  }
  const dash = token.startsWith("-") ? 1 : 0;
  return { kind: "key", from: start + dash, to: wordEnd(text, caret), prefix: token.slice(dash) };
}

/** Where the term with the last open quote before the caret begins. */
function lastBreak(text: string, caret: number): number {
  const quote = text.lastIndexOf('"', caret - 1);
  let at = quote;
  while (at > 0 && !/[\s()]/.test(text[at - 1])) at--;
  return Math.max(at, 0);
}

function wordEnd(text: string, caret: number): number {
  let end = caret;
  while (end < text.length && !/[\s()":=<>!]/.test(text[end])) end++;
  return end;
}

/** Puts what was taken into the text; returns the text and where the caret goes. */
export function take(text: string, wanted: Wanted, name: string): { text: string; caret: number } {
  const written = wanted.kind === "key" ? `${keyText(name)}:` : valueText(name);
  const behind = text.slice(wanted.to).replace(wanted.kind === "key" ? /^:/ : /^"/, "");
  const space = wanted.kind === "value" && !/^[\s)]/.test(behind) ? " " : "";
  const head = text.slice(0, wanted.from) + written + space;
  return { text: head + behind, caret: head.length };
}

/** Sorts names that begin with what is written before those that only have it inside. */
export function ranked(names: readonly string[], prefix: string, max = 12): string[] {
  const low = prefix.replace(/\\(.)/g, "$1").toLowerCase();
  const hits = [...new Set(names)].filter((name) => name.toLowerCase().includes(low));
  const starts = (name: string) => (name.toLowerCase().startsWith(low) ? 0 : 1);
  return hits.sort((a, b) => starts(a) - starts(b)).slice(0, max);
}
