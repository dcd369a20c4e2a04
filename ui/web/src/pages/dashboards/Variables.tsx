// The bar above a board: one control for each variable.
import { useState } from "preact/hooks";
import { Popover } from "../../ui/parts";
import { ALL } from "./options";
import { choose, isAll, type Choice } from "./values";

const LIST = 200;

export function Variables({ choices }: { choices: readonly Choice[] }) {
  const shown = choices.filter(({ variable: { kind, spec } }) => !spec.display?.hidden && !spec.constant && (kind === "TextVariable" || kind === "ListVariable"));
  if (shown.length === 0) return null;
  return <>{shown.map((one) => <One key={one.variable.spec.name} choice={one} />)}</>;
}

function One({ choice }: { choice: Choice }) {
  const { spec, kind } = choice.variable;
  const label = spec.display?.name || spec.name;
  if (kind === "TextVariable") return <Typed label={label} name={spec.name} value={choice.chosen.values[0] ?? ""} />;
  if (spec.allowMultiple) return <Many choice={choice} label={label} />;
  const value = isAll(choice) ? ALL : choice.chosen.values[0] ?? "";
  const known = choice.options.some((option) => option.value === value);
  return (
    <label class="variable" title={choice.error}>
      <span>{label}</span>
      <select value={value} onChange={(event) => choose(spec.name, [event.currentTarget.value])}>
        {spec.allowAllValue && <option value={ALL}>All ({choice.options.length})</option>}
        {!known && value !== ALL && <option value={value}>{value || "–"}</option>}
        {choice.options.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}
      </select>
    </label>
  );
}

function Typed({ label, name, value }: { label: string; name: string; value: string }) {
  return (
    <label class="variable">
      <span>{label}</span>
      <input value={value} size={Math.max(6, Math.min(value.length, 24))} onChange={(event) => choose(name, [event.currentTarget.value])} />
    </label>
  );
}

function Many({ choice, label }: { choice: Choice; label: string }) {
  const [text, setText] = useState("");
  const { spec } = choice.variable;
  const all = isAll(choice);
  const picked = new Set(all ? [] : choice.chosen.values);
  const found = choice.options.filter((option) => option.label.toLowerCase().includes(text.toLowerCase()));
  const toggle = (value: string) => {
    const next = new Set(picked);
    if (!next.delete(value)) next.add(value);
    choose(spec.name, next.size === 0 && spec.allowAllValue ? [ALL] : [...next]);
  };
  const says = choice.error ? "!" : all ? `All (${choice.options.length}${choice.cut ? "+" : ""})` : picked.size > 2 ? `${picked.size} chosen` : [...picked].join(", ") || "none";
  return (
    <span class="variable" title={choice.error}>
      <span aria-hidden="true">{label}</span>
      <Popover label={`${label}: ${says}`} class="btn" align="start" text={<><span class="clip data">{says}</span> <span aria-hidden="true">▾</span></>} onOpen={() => setText("")}>
        {() => (
          <div class="choices">
            <input class="input" placeholder="Search" aria-label={`Search in ${label}`} value={text} onInput={(event) => setText(event.currentTarget.value)} />
            <ul>
              {spec.allowAllValue && <li><label><input type="checkbox" checked={all} onChange={() => choose(spec.name, [ALL])} /> All</label></li>}
              {found.slice(0, LIST).map((option) => (
                <li key={option.value}><label class="data"><input type="checkbox" checked={picked.has(option.value)} onChange={() => toggle(option.value)} /> {option.label}</label></li>
              ))}
            </ul>
            {found.length > LIST && <p class="muted">the first {LIST} of {found.length}: search for others</p>}
            {choice.options.length === 0 && <p class="muted">{choice.error ?? "There are no values in this range."}</p>}
          </div>
        )}
      </Popover>
    </span>
  );
}
