// The search as text, with proposals of keys and values from the live server.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "../lib/api";
import { ranked, take, wantedAt, type Wanted } from "../lib/complete";
import { unitAt, visible } from "../lib/text";
import "./search.css";

export interface SearchBarProps {
  /** The search that is applied. */
  applied: string;
  error?: ApiError;
  label: string;
  placeholder: string;
  /** Keys that are always there. */
  keys: readonly string[];
  /** Keys, or values of a key, that the server knows. */
  propose: (wanted: Wanted, signal: AbortSignal) => Promise<string[]>;
  onSearch: (text: string) => void;
}

/** How long typing rests before the server is asked for names. */
const REST_MS = 120;

export function SearchBar({ applied, error, label, placeholder, keys, propose, onSearch }: SearchBarProps) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(applied);
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [at, setAt] = useState(-1);
  const names = useNames(wanted, keys, propose);
  const isOpen = wanted !== null && names.length > 0;
  useEffect(() => {
    setText(applied);
    setWanted(null);
  }, [applied]);
  const look = (element: HTMLInputElement) => {
    setAt(-1);
    setWanted(wantedAt(element.value, element.selectionStart ?? element.value.length));
  };
  const use = (name: string) => {
    if (!wanted || !input.current) return;
    const taken = take(text, wanted, name);
    setText(taken.text);
    setAt(-1);
    setWanted(wantedAt(taken.text, taken.caret));
    input.current.value = taken.text;
    input.current.setSelectionRange(taken.caret, taken.caret);
    input.current.focus();
  };
  const submit = () => {
    setWanted(null);
    onSearch(text);
  };
  const keyed = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (isOpen && step) {
      event.preventDefault();
      setAt((old) => (old + step + names.length + 1) % (names.length + 1));
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      document.querySelector<HTMLElement>("main .vlist")?.focus();
    } else if (event.key === "Enter" || (event.key === "Tab" && isOpen && at >= 0)) {
      event.preventDefault();
      if (isOpen && at >= 0 && at < names.length) use(names[at]);
      else submit();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      if (isOpen) setWanted(null);
      else input.current?.blur();
    }
  };
  return (
    <div class="searchbar" onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && setWanted(null)}>
      <input
        ref={input}
        data-search
        class="input mono"
        role="combobox"
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls="search-names"
        aria-activedescendant={isOpen && at >= 0 ? `search-name-${at}` : undefined}
        aria-invalid={error !== undefined}
        aria-describedby={error ? "search-error" : undefined}
        placeholder={placeholder}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        value={text}
        onInput={(event) => { setText(event.currentTarget.value); look(event.currentTarget); }}
        onClick={(event) => look(event.currentTarget)}
        onKeyDown={keyed}
      />
      {text.trim() !== applied && !isOpen && <kbd class="enter" aria-hidden="true">Enter</kbd>}
      <ul id="search-names" class="proposals" role="listbox" aria-label="Proposals" hidden={!isOpen}>
        {isOpen && names.map((name, i) => (
          <li key={name} id={`search-name-${i}`} role="option" aria-selected={i === at} onPointerDown={(event) => { event.preventDefault(); use(name); }}>
            <span class="clip data mono">{visible(name)}</span>
            <span class="muted">{wanted?.kind === "key" ? "key" : wanted?.key}</span>
          </li>
        ))}
      </ul>
      {error?.span && text.trim() === applied && <Wrong text={applied} error={error} show={(start, end) => { input.current?.focus(); input.current?.setSelectionRange(start, end); }} />}
    </div>
  );
}

/** Marks the part of a search that the server does not understand. */
function Wrong({ text, error, show }: { text: string; error: ApiError; show: (start: number, end: number) => void }) {
  const start = unitAt(text, error.span?.start ?? 0);
  const end = Math.max(unitAt(text, error.span?.end ?? 0), start);
  return (
    <div class="error" role="alert" id="search-error">
      <span><strong>The search is not right.</strong> <span class="data">{error.message.replace(/^invalid parameter "q": /, "")}</span></span>
      <button class="plainmark mono data" title="Go there" onClick={() => show(start, end)}>
        {text.slice(0, start)}<mark>{text.slice(start, end) || "▲"}</mark>{text.slice(end)}
      </button>
    </div>
  );
}

/** Keys, or values of a key in the range that is shown. */
function useNames(wanted: Wanted | null, keys: readonly string[], propose: SearchBarProps["propose"]): string[] {
  const [names, setNames] = useState<{ key: string; list: string[] }>({ key: "", list: [] });
  const key = wanted === null ? "" : wanted.kind === "key" ? `key ${wanted.prefix}` : `value ${wanted.key}`;
  useEffect(() => {
    if (wanted === null) return;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      // Without names the search works as well: what failed is asked again at the next letter.
      propose(wanted, abort.signal).then((list) => !abort.signal.aborted && setNames({ key, list }), () => {});
    }, REST_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  if (wanted === null) return [];
  // A word that is typed is mostly a word: keys are proposed from its second letter on.
  if (wanted.kind === "key" && wanted.prefix.length === 1) return [];
  const isOf = wanted.kind === "key" ? names.key.startsWith("key") : names.key === key;
  const asked = isOf ? names.list : [];
  return ranked(wanted.kind === "key" ? [...keys, ...asked] : asked, wanted.prefix).filter((name) => name !== wanted.prefix || wanted.kind === "key");
}
