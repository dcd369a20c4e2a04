// What single series and columns look like, where a board says so.
import { patternOf } from "./format";
import { listOf, textOf, treeOf, type Tree } from "./model";

/** Everything that is said of a series or column, later over earlier. */
export function overrideOf(spec: Tree, name: string, query?: number): Tree {
  let all: Tree = {};
  for (const one of listOf(spec, "overrides")) {
    const match = treeOf(one, "match");
    const names = Array.isArray(match?.names) ? match.names : undefined;
    const others = Array.isArray(match?.notNames) ? match.notNames : undefined;
    const regex = textOf(match, "regex");
    const fits = match?.name === name || names?.includes(name) || (others && !others.includes(name)) || (regex !== undefined && patternOf(regex)?.test(name)) || (query !== undefined && match?.query === query);
    if (fits) all = { ...all, ...one };
  }
  return all;
}
