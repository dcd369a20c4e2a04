// Which values there are, and in how many rows: the way from all records to those that matter. What a
// key already filters does not hide its other values.
import { useRef, useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { formatCount } from "../../lib/units";
import { Icon } from "../../ui/icons";
import { ErrorBox } from "../../ui/parts";
import { askFacets, type Facet, type Question } from "./model";
import { filter, pinned, togglePin, wishes } from "./state";
import { chosen, terms, withoutKey } from "../../lib/terms";
import { oneLine } from "../../lib/text";

/** Values of a facet at first, and when all are wanted. */
const SHOWN = 10;
const LIMIT = 50;

export function Facets({ question }: { question: Question }) {
  const pins = pinned.value;
  const key = `${question.q}\n${question.start}\n${question.end}\n${wishes.value}\n${pins.join()}`;
  const { data, error, loading, reload } = useLoad(key, (signal) => load(question, pins, signal));
  const [isHeld, setHeld] = useState(false);
  const before = useRef<Facet[]>([]);
  if (error && !data) return <ErrorBox error={error} retry={reload} />;
  // While the reader is here, what stands where stays.
  const shown = isHeld && data ? inPlace(before.current, data) : data;
  before.current = shown ?? [];
  return (
    <div class={loading && data ? "busy" : ""} onKeyDown={walk} onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)} onFocusIn={() => setHeld(true)} onFocusOut={() => setHeld(false)}>
      {shown?.map((facet) => <Group key={facet.key} facet={facet} text={question.q} />)}
      {shown && <Add known={shown.map((facet) => facet.key)} />}
    </div>
  );
}

/** Keys that the server counts no values of: a request for them would only fail. */
const UNCOUNTED = new Set(["trace", "span", "body", "timestamp"]);

async function load(question: Question, pins: readonly string[], signal: AbortSignal): Promise<Facet[]> {
  const filtered = [...new Set(terms(question.q).flatMap((term) => [term, ...(term.inner ?? [])]).map((term) => term.key))].filter((key): key is string => key !== undefined && !UNCOUNTED.has(key) && withoutKey(question.q, key) !== question.q.trim());
  const [best, own, ...others] = await Promise.all([
    askFacets(question, [], LIMIT, signal).then((answer) => answer.data.facets),
    pins.length > 0 ? askFacets(question, pins, LIMIT, signal).then((answer) => answer.data.facets, () => []) : [],
    // A key that filters is counted as if it did not; ids and bodies are not counted at all.
    ...filtered.slice(0, 8).map((key) => askFacets({ ...question, q: withoutKey(question.q, key) }, [key], LIMIT, signal).then((answer) => answer.data.facets, () => [])),
  ]);
  const found = new Map<string, Facet>();
  for (const facet of [...best.slice(0, 2), ...own, ...best.slice(2)]) if (!found.has(facet.key)) found.set(facet.key, facet);
  for (const facet of others.flat()) found.set(facet.key, facet);
  return [...found.values()].filter((facet) => facet.values.length > 0 || pins.includes(facet.key));
}

/** The new counts in the old order; what is no longer found stays with none. */
export function inPlace(before: readonly Facet[], now: readonly Facet[]): Facet[] {
  const fresh = new Map(now.map((facet) => [facet.key, facet]));
  const kept = before.map((facet) => {
    const next = fresh.get(facet.key);
    fresh.delete(facet.key);
    const counts = new Map(next?.values.map((one) => [one.value, one.count]));
    const values = facet.values.map(({ value }) => ({ value, count: counts.get(value) ?? 0 }));
    const known = new Set(facet.values.map((one) => one.value));
    return { ...(next ?? { ...facet, distinct: 0 }), values: [...values, ...(next?.values ?? []).filter((one) => !known.has(one.value))] };
  });
  return [...kept, ...fresh.values()];
}

function Group({ facet, text }: { facet: Facet; text: string }) {
  const [isWhole, setWhole] = useState(false);
  const { included, excluded } = chosen(text, facet.key);
  const isPinned = pinned.value.includes(facet.key);
  const missing = [...included, ...excluded].filter((value) => !facet.values.some((one) => one.value === value)).map((value) => ({ value, count: 0 }));
  const values = [...facet.values, ...missing];
  const shown = isWhole ? values : values.filter((one, i) => i < SHOWN || included.has(one.value) || excluded.has(one.value));
  const most = Math.max(1, ...values.map((one) => one.count));
  const isIntrinsic = facet.key === "level" || facet.key === "service";
  return (
    <section class="facet" aria-label={facet.key}>
      <h2>
        <span class="clip data">{facet.key === "level" ? "Level" : facet.key === "service" ? "Service" : facet.key}</span>
        {!isIntrinsic && (
          <button class="pin" tabIndex={-1} aria-pressed={isPinned} title={isPinned ? "Do not keep this facet" : "Keep this facet"} aria-label={`Keep ${facet.key}`} onClick={() => togglePin(facet.key)}>
            <Icon name={isPinned ? "minus" : "plus"} size={12} />
          </button>
        )}
        <span class="muted num" title="Different values">{facet.truncated ? "≥ " : ""}{formatCount(facet.distinct)}</span>
      </h2>
      <ul>
        {shown.map((one, i) => (
          <Value key={one.value} facet={facet.key} value={one.value} count={one.count} part={one.count / most} isFirst={i === 0} state={included.has(one.value) ? "in" : excluded.has(one.value) ? "out" : ""} />
        ))}
      </ul>
      {values.length > shown.length && <button class="btn plain small" onClick={() => setWhole(true)}>{formatCount(values.length - shown.length)} more</button>}
      {isWhole && facet.distinct > values.length && <p class="muted statsline">The {values.length} most frequent; search for others with {facet.key}:…</p>}
      {values.length === 0 && <p class="muted statsline">No row has it.</p>}
    </section>
  );
}

interface ValueProps {
  facet: string;
  value: string;
  count: number;
  part: number;
  isFirst: boolean;
  state: "in" | "out" | "";
}

function Value({ facet, value, count, part, isFirst, state }: ValueProps) {
  const change = (how: "include" | "exclude") => filter(facet, value, how);
  const keyed = (event: KeyboardEvent) => {
    if (event.key === "-" || (event.key === "Enter" && event.altKey)) {
      event.preventDefault();
      event.stopPropagation();
      change("exclude");
    }
  };
  const name = value === "" ? "(empty)" : oneLine(value);
  return (
    <li class={`value ${state}`}>
      <button
        role="checkbox"
        aria-checked={state === "in" ? "true" : state === "out" ? "mixed" : "false"}
        aria-label={`${name}, ${count} rows${state === "out" ? ", excluded" : ""}`}
        title={`${name}\nClick: only rows with it. Alt+click or −: only rows without it.`}
        tabIndex={isFirst ? 0 : -1}
        data-value
        onClick={(event) => change(event.altKey ? "exclude" : "include")}
        onKeyDown={keyed}
      >
        <span class="box" aria-hidden="true">{state === "in" ? "✓" : state === "out" ? "−" : ""}</span>
        <span class="clip data">{name}</span>
        <span class="num muted">{formatCount(count)}</span>
        <i class="part" style={{ width: `${part * 100}%` }} />
      </button>
      <button class="not" tabIndex={-1} aria-label={`Without ${name}`} title="Only rows without it (−)" onClick={() => change("exclude")}><Icon name="minus" size={12} /></button>
    </li>
  );
}

/** Arrow keys go through all values. */
function walk(event: KeyboardEvent) {
  const step = event.key === "ArrowDown" || event.key === "j" ? 1 : event.key === "ArrowUp" || event.key === "k" ? -1 : 0;
  const target = event.target as HTMLElement;
  if (step === 0 || target.dataset.value === undefined) return;
  const all = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[data-value]")];
  event.preventDefault();
  all[all.indexOf(target) + step]?.focus();
}

/** A facet of the reader's choice. */
function Add({ known }: { known: readonly string[] }) {
  const [names, setNames] = useState<string[]>([]);
  const look = (prefix: string) => {
    ask<{ names: { name: string }[] }>("/api/v1/names", { kind: "attribute", signal: "logs", prefix, limit: 50 }).then(
      (answer) => setNames(answer.data.names.map((one) => one.name).filter((name) => !known.includes(name))),
      // A key can be typed without being proposed.
      () => {},
    );
  };
  const add = (event: SubmitEvent) => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("key") as HTMLInputElement;
    const key = input.value.trim();
    if (key !== "" && !known.includes(key)) togglePin(key);
    input.value = "";
  };
  return (
    <form class="addfacet" onSubmit={add}>
      <input class="input" name="key" aria-label="Add a facet" placeholder="Add a facet: key" list="logs-facet-names" autocomplete="off" spellcheck={false} onFocus={() => look("")} onInput={(event) => look(event.currentTarget.value)} />
      <datalist id="logs-facet-names">{names.map((name) => <option key={name} value={name} />)}</datalist>
    </form>
  );
}
