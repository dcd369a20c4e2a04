// Boards as the server sends them: Perses' format, of which nothing is thrown away. A change copies the
// way to it and keeps the rest.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Tree = { [key: string]: Json };

export interface Plugin {
  kind: string;
  spec?: Tree;
}

export interface Query {
  kind: string;
  spec: { plugin: Plugin };
}

export interface Link {
  name?: string;
  url: string;
  targetBlank?: boolean;
}

export interface Panel {
  kind: string;
  spec: { display?: { name?: string; description?: string }; plugin: Plugin; queries?: Query[]; links?: Link[] };
}

export interface Item {
  x: number;
  y: number;
  width: number;
  height: number;
  content: { $ref: string };
  /** Ours: the panel is shown once for each value of a variable. */
  repeat?: { variable: string; perRow?: number };
}

export interface Layout {
  kind: string;
  spec: { display?: { title?: string; collapse?: { open?: boolean } }; items?: Item[]; repeatVariable?: string };
}

export interface Variable {
  kind: string;
  spec: {
    name: string;
    display?: { name?: string; hidden?: boolean };
    value?: string;
    constant?: boolean;
    defaultValue?: string | string[];
    allowMultiple?: boolean;
    allowAllValue?: boolean;
    customAllValue?: string;
    capturingRegexp?: string;
    sort?: string;
    plugin?: Plugin;
  };
}

export interface Board {
  kind: string;
  metadata: { name: string; tags?: string[] };
  spec: {
    display?: { name?: string; description?: string };
    duration?: string;
    refreshInterval?: string;
    variables?: Variable[];
    panels?: Record<string, Panel>;
    layouts?: Layout[];
  };
}

export interface Problem {
  path: string;
  message: string;
  warning: boolean;
}

/** A board with what the server knows of it. */
export interface Found {
  dashboard: Board;
  origin: "curated" | "folder" | "stored";
  revision: number;
  editable: boolean;
  file: string | null;
  changed_ms: number | null;
  author: string | null;
  problems: Problem[];
}

export interface Row {
  name: string;
  title: string;
  description: string;
  tags: string[];
  panels: number;
  origin: Found["origin"];
  matches: boolean;
  revision: number;
}

export const titleOf = (board: Board) => board.spec.display?.name || board.metadata.name;
export const keyOf = (item: Item) => item.content.$ref.replace("#/spec/panels/", "");
export const gridsOf = (board: Board) => (board.spec.layouts ?? []).map((layout, index) => ({ layout, index })).filter(({ layout }) => layout.kind === "Grid");

/** A text of a tree whose shape nobody promises. */
export const textOf = (tree: Tree | undefined, key: string): string | undefined => (typeof tree?.[key] === "string" ? (tree[key] as string) : undefined);
export const numberOf = (tree: Tree | undefined, key: string): number | undefined => (typeof tree?.[key] === "number" ? (tree[key] as number) : undefined);
export const treeOf = (tree: Tree | undefined, key: string): Tree | undefined => {
  const value = tree?.[key];
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : undefined;
};
export const listOf = (tree: Tree | undefined, key: string): Tree[] => {
  const value = tree?.[key];
  return Array.isArray(value) ? value.filter((one): one is Tree => one !== null && typeof one === "object" && !Array.isArray(one)) : [];
};
