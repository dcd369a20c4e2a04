// The values that a variable offers, and what is chosen of them. Pure.
import { patternOf } from "../../panels/format";
import type { Variable } from "../../panels/model";
import { compare } from "../../panels/transform";
import type { Chosen } from "../../panels/variables";

export const ALL = "$__all";

export interface Option {
  value: string;
  label: string;
}

const SORTS: Record<string, (a: Option, b: Option) => number> = {
  "alphabetical-asc": (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0),
  "alphabetical-ci-asc": (a, b) => a.label.localeCompare(b.label),
  "numerical-asc": (a, b) => compare(a.label, b.label),
};

export function sorted(options: Option[], sort: string | undefined): Option[] {
  const by = sort ? SORTS[sort.replace("-desc", "-asc")] : undefined;
  if (!by) return options;
  const all = [...options].sort(by);
  return sort!.endsWith("-desc") ? all.reverse() : all;
}

/** Grafana's `regex` of a variable: what it catches is the value, named groups tell value and label apart. */
export function captured(texts: readonly string[], pattern: string | undefined): Option[] {
  const regex = pattern ? patternOf(pattern) : null;
  const seen = new Map<string, Option>();
  for (const text of texts) {
    const found = regex ? regex.exec(text) : null;
    if (regex && !found) continue;
    const value = found?.groups?.value ?? found?.[1] ?? (found && !regex?.source.includes("(") ? text : found?.[0] ?? text);
    if (!seen.has(value)) seen.set(value, { value, label: found?.groups?.text ?? value });
  }
  return [...seen.values()];
}

export function chosenOf({ spec }: Variable, options: readonly Option[], want: readonly string[]): Chosen {
  const multi = spec.allowMultiple === true || spec.allowAllValue === true;
  const there = options.map(({ value }) => value);
  const isAll = want.includes(ALL) || want.includes("All") || (want.length === 0 && spec.allowAllValue === true);
  if (isAll && spec.allowAllValue) {
    // Of a filtered list only what is in it; else whatever there is, series without the label too.
    const whole = spec.customAllValue ?? (spec.capturingRegexp || spec.plugin?.kind === "StaticListVariable" ? undefined : ".*");
    return { values: there, all: whole, multi };
  }
  const values = want.filter((one) => one !== ALL);
  if (values.length > 0) return { values: spec.allowMultiple ? values : values.slice(0, 1), multi };
  return { values: there.slice(0, 1), multi };
}
