// Variables of a board: what can be chosen, and what is. The choice stands in the URL as `var-name`; what
// can be chosen is asked of the server, in the order in which the variables depend on each other.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { LIMITS } from "../../lib/limits";
import { asError } from "../../lib/load";
import { queryInstant, seriesName } from "../../lib/promql";
import { place, setParams } from "../../lib/router";
import { range, stepFor, tick, type Span } from "../../lib/time";
import { textOf, type Board, type Variable } from "../../panels/model";
import { expand, join, split, type Chosen } from "../../panels/variables";
import { ALL, captured, chosenOf, sorted, type Option } from "./options";

export interface Choice {
  variable: Variable;
  options: Option[];
  chosen: Chosen;
  /** More values exist than are offered. */
  cut: boolean;
  error?: string;
}

type Around = { env: Map<string, Chosen>; span: Span; stepS: number };

const parameter = (name: string) => `var-${name}`;

/** What the URL says, or the board. */
function wanted({ spec }: Variable): string[] {
  const said = place.value.params.get(parameter(spec.name));
  if (said !== null) return split(said);
  const given = spec.defaultValue ?? spec.value;
  return given === undefined ? [] : Array.isArray(given) ? given : [given];
}

export function choose(name: string, values: readonly string[]) {
  setParams({ [parameter(name)]: join(values) });
}

async function texts(variable: Variable, around: Around, signal: AbortSignal): Promise<string[]> {
  const { kind, spec = {} } = variable.spec.plugin ?? { kind: "" };
  const { start, end } = around.span;
  const times = { start: start / 1000, end: end / 1000, limit: LIMITS.variableValues + 1 };
  const matchers = Array.isArray(spec.matchers) ? spec.matchers.filter((one): one is string => typeof one === "string").map((one) => expand(one, around)) : [];
  if (kind === "PrometheusLabelValuesVariable") {
    const label = expand(textOf(spec, "labelName") ?? "", around);
    return (await ask<string[]>(`/api/v1/label/${encodeURIComponent(label)}/values`, { ...times, "match[]": matchers }, signal)).data;
  }
  if (kind === "PrometheusLabelNamesVariable") return (await ask<string[]>("/api/v1/labels", { ...times, "match[]": matchers }, signal)).data;
  if (kind === "PrometheusPromQLVariable") {
    const { data } = await queryInstant(expand(textOf(spec, "expr") ?? "", around), end, signal);
    const label = textOf(spec, "labelName");
    return data.map((sample) => (label ? sample.labels[label] ?? "" : `${seriesName(sample.labels)} ${sample.value} ${Math.round(end)}`));
  }
  throw new Error(`values of ${kind || "no plugin"} are not known`);
}

function listed(variable: Variable): Option[] | null {
  const { kind, spec } = variable.spec.plugin ?? { kind: "", spec: undefined };
  if (kind !== "StaticListVariable" || !Array.isArray(spec?.values)) return null;
  return spec.values.flatMap((one): Option[] => {
    if (typeof one === "string") return [{ value: one, label: one }];
    const tree = one !== null && typeof one === "object" && !Array.isArray(one) ? one : undefined;
    const value = textOf(tree, "value");
    return value === undefined ? [] : [{ value, label: textOf(tree, "label") ?? value }];
  });
}

async function choice(variable: Variable, around: Around, signal: AbortSignal): Promise<Choice> {
  const { spec, kind } = variable;
  const want = wanted(variable);
  if (kind === "TextVariable") return { variable, options: [], chosen: { values: [want[0] ?? ""], multi: false }, cut: false };
  if (kind !== "ListVariable") return { variable, options: [], chosen: { values: want, multi: false }, cut: false, error: "kept, not applied yet" };
  let options = listed(variable);
  let error: string | undefined;
  if (!options) {
    try {
      options = captured(await texts(variable, around, signal), spec.capturingRegexp);
    } catch (failure) {
      if (signal.aborted) throw failure;
      error = asError(failure).message;
      options = [];
    }
  }
  const cut = options.length > LIMITS.variableValues;
  options = sorted(options, spec.sort).slice(0, LIMITS.variableValues);
  return { variable, options, chosen: chosenOf(variable, options, want), cut, error };
}

export const isAll = ({ chosen, variable }: Choice) => {
  const want = wanted(variable);
  return variable.spec.allowAllValue === true && (chosen.all !== undefined || want.includes(ALL) || want.length === 0);
};

/** All variables of a board with what can be chosen; null until the first answer. */
export function useChoices(board: Board | undefined): Choice[] | null {
  const [choices, setChoices] = useState<Choice[] | null>(null);
  const variables = board?.spec.variables ?? [];
  const said = variables.map(({ spec }) => place.value.params.get(parameter(spec.name)) ?? "").join("\n");
  const { start, end } = range.value;
  const last = useRef<Board | undefined>(undefined);
  useEffect(() => {
    if (!board) return;
    if (last.current !== board) setChoices(null);
    last.current = board;
    const abort = new AbortController();
    const around: Around = { env: new Map(), span: { start, end }, stepS: stepFor({ start, end }, 300) };
    const walk = async () => {
      const found: Choice[] = [];
      for (const variable of variables) {
        const made = await choice(variable, around, abort.signal);
        around.env.set(variable.spec.name, made.chosen);
        found.push(made);
      }
      if (!abort.signal.aborted) setChoices(found);
    };
    walk().catch(() => {});
    return () => abort.abort();
  }, [board, said, start, end, tick.value]);
  // What is chosen is known at once; what can be chosen of the others follows.
  return useMemo(() => choices?.map((one) => (one.variable.kind === "ListVariable" ? { ...one, chosen: chosenOf(one.variable, one.options, wanted(one.variable)) } : { ...one, chosen: { ...one.chosen, values: [wanted(one.variable)[0] ?? ""] } })) ?? null, [choices, said]);
}
