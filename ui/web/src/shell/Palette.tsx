// Ctrl K: pages, services, metrics, boards, and whatever is pasted.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ask } from "../lib/api";
import { href, navigate } from "../lib/router";
import { range } from "../lib/time";
import { PAGES } from "../routes";
import { Dialog } from "../ui/parts";
import { targetsOf, type Target } from "./paste";

const SHOWN = 12;

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const names = useNames(text);
  const pages = useMemo(() => PAGES.filter((page) => !page.path.includes(":")).map<Target>((page) => ({ title: page.title, kind: `page ${page.chord ?? ""}`, url: href(page.path) })), []);
  const low = text.trim().toLowerCase();
  const found = [...pages.filter((page) => page.title.toLowerCase().includes(low)), ...names, ...targetsOf(text)].slice(0, SHOWN);
  const go = (target: Target | undefined) => {
    if (!target) return;
    onClose();
    navigate(target.url);
  };
  const keyed = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      setAt((old) => (old + step + found.length) % Math.max(found.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(found[at]);
    }
  };
  return (
    <Dialog title="Search or jump" class="palette" onClose={onClose}>
      <input
        autofocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] ? `palette-${at}` : undefined}
        aria-label="Search or jump"
        placeholder="A page, service, metric, trace id, time, query, or part of a log line"
        value={text}
        onInput={(event) => { setText(event.currentTarget.value); setAt(0); }}
        onKeyDown={keyed}
      />
      <ul id="palette-list" role="listbox" aria-label="Where to">
        {found.map((target, i) => (
          <li key={`${target.kind} ${target.title}`} id={`palette-${i}`} role="option" aria-selected={i === at} onPointerMove={() => setAt(i)} onClick={() => go(target)}>
            <span class="clip data">{target.title}</span>
            <span class="kind">{target.kind}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="none">Nothing has this name.</p>}
    </Dialog>
  );
}

/** Services, metrics and boards with the text in their name, asked of the server when typing pauses. */
function useNames(text: string): Target[] {
  const [names, setNames] = useState<Target[]>([]);
  useEffect(() => {
    const prefix = text.trim();
    if (prefix.length < 2 || prefix.length > 200) {
      setNames([]);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const of = async (kind: string, to: (name: string) => string) => {
        try {
          const { data } = await ask<{ names: { name: string }[] }>("/api/v1/names", { kind, prefix, limit: 5, start: range.value.start / 1000, end: range.value.end / 1000 }, abort.signal);
          return data.names.map(({ name }) => ({ title: name, kind, url: to(name) }));
        } catch {
          return []; // Jumping works without names, too.
        }
      };
      const all = await Promise.all([
        of("service", (name) => href(`/service/${encodeURIComponent(name)}`)),
        of("metric", (name) => href("/metrics", { q: name })),
      ]);
      if (!abort.signal.aborted) setNames(all.flat());
    }, 120);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  return names;
}
