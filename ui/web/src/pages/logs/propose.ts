// What the search of the logs proposes: keys of records and of their resources, values in the range.
import { ask } from "../../lib/api";
import { LEVEL_VALUES, type Wanted } from "../../lib/complete";
import { askFacets, type Question } from "./model";

interface Names {
  names: { name: string }[];
}

export const proposer = (question: Question) => (wanted: Wanted, signal: AbortSignal): Promise<string[]> =>
  wanted.kind === "key" ? keysLike(wanted.prefix, signal) : valuesOf(wanted.key ?? "", question, signal);

async function keysLike(prefix: string, signal: AbortSignal): Promise<string[]> {
  const of = (kind: string) => ask<Names>("/api/v1/names", { kind, signal: "logs", prefix, limit: 50 }, signal).then((answer) => answer.data.names.map((one) => one.name));
  const [own, resource] = await Promise.all([of("attribute"), of("resource")]);
  return [...own, ...resource];
}

async function valuesOf(key: string, question: Question, signal: AbortSignal): Promise<string[]> {
  if (key === "level") return LEVEL_VALUES;
  const answer = await askFacets({ ...question, q: "" }, [key], 50, signal);
  return answer.data.facets[0]?.values.map((one) => one.value) ?? [];
}
