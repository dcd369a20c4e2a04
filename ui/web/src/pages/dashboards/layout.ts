// Where panels stand once repeats are written out, and how an edit moves them. Pure.
import { LIMITS } from "../../lib/limits";
import { keyOf, type Board, type Item, type Layout, type Panel } from "../../panels/model";
import type { Chosen, Env } from "../../panels/variables";

export const COLUMNS = 24;

export interface Placed {
  item: Item;
  /** Index of the item in its layout. */
  index: number;
  panel: Panel | undefined;
  key: string;
  env: Env;
}

export interface Section {
  /** Index of the layout. */
  index: number;
  title: string;
  open: boolean;
  placed: Placed[];
  env: Env;
  /** Repeats that were left out. */
  cut: number;
}

const one = (value: string, multi: boolean): Chosen => ({ values: [value], multi });

function repeated(env: Env, variable: string | undefined): { envs: Env[]; cut: number } {
  const chosen = variable ? env.get(variable) : undefined;
  if (!variable || !chosen || chosen.values.length === 0) return { envs: [env], cut: 0 };
  const values = chosen.values.slice(0, LIMITS.repeats);
  return { envs: values.map((value) => new Map(env).set(variable, one(value, chosen.multi))), cut: chosen.values.length - values.length };
}

/** Writes out an item for each value; what stood below moves down. */
function items(layout: Layout, env: Env, board: Board): { placed: Placed[]; cut: number } {
  const placed: Placed[] = [];
  let cut = 0;
  let shift = 0;
  const all = (layout.spec.items ?? []).map((item, index) => ({ item, index })).sort((a, b) => a.item.y - b.item.y || a.item.x - b.item.x);
  for (const { item, index } of all) {
    const { envs, cut: less } = item.repeat ? repeated(env, item.repeat.variable) : { envs: [env], cut: 0 };
    cut += less;
    const perRow = Math.max(1, Math.min(item.repeat?.perRow ?? 4, envs.length));
    const width = envs.length > 1 ? Math.max(1, Math.floor(COLUMNS / perRow)) : item.width;
    envs.forEach((own, i) => {
      const at = envs.length > 1 ? { x: (i % perRow) * width, y: item.y + shift + Math.floor(i / perRow) * item.height, width } : { x: item.x, y: item.y + shift, width: item.width };
      placed.push({ item: { ...item, ...at }, index, panel: board.spec.panels?.[keyOf(item)], key: `${index}.${i}`, env: own });
    });
    if (envs.length > 1) shift += (Math.ceil(envs.length / perRow) - 1) * item.height;
  }
  return { placed, cut };
}

export function sectionsOf(board: Board, env: Env): Section[] {
  return (board.spec.layouts ?? []).flatMap((layout, index) => {
    if (layout.kind !== "Grid") return [];
    const { envs, cut } = repeated(env, layout.spec.repeatVariable);
    return envs.map((own) => {
      const { placed, cut: less } = items(layout, own, board);
      return { index, title: layout.spec.display?.title ?? "", open: layout.spec.display?.collapse?.open !== false, placed, env: own, cut: cut + less };
    });
  });
}

const overlap = (a: Item, b: Item) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/** Puts an item somewhere; what it covers is pushed down. */
export function moved(all: readonly Item[], index: number, to: Partial<Pick<Item, "x" | "y" | "width" | "height">>): Item[] {
  const width = Math.max(2, Math.min(COLUMNS, to.width ?? all[index].width));
  const height = Math.max(2, Math.min(200, to.height ?? all[index].height));
  const x = Math.max(0, Math.min(COLUMNS - width, to.x ?? all[index].x));
  const y = Math.max(0, to.y ?? all[index].y);
  const next = all.map((item, i) => (i === index ? { ...item, x, y, width, height } : { ...item }));
  const settled = [next[index]];
  const rest = next.filter((_, i) => i !== index).sort((a, b) => a.y - b.y || a.x - b.x);
  for (const item of rest) {
    for (let hit = settled.find((other) => overlap(item, other)); hit; hit = settled.find((other) => overlap(item, other))) item.y = hit.y + hit.height;
    settled.push(item);
  }
  return next;
}
