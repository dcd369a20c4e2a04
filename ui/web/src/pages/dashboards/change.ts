// Changes of a board, each a new board: what is not touched stays the same object, unknown fields too.
import { COLUMNS, moved } from "./layout";
import { keyOf, type Board, type Item, type Layout, type Panel } from "../../panels/model";

const withSpec = (board: Board, spec: Partial<Board["spec"]>): Board => ({ ...board, spec: { ...board.spec, ...spec } });

function withLayout(board: Board, index: number, change: (layout: Layout) => Layout): Board {
  return withSpec(board, { layouts: (board.spec.layouts ?? []).map((layout, i) => (i === index ? change(layout) : layout)) });
}

const withItems = (layout: Layout, items: Item[]): Layout => ({ ...layout, spec: { ...layout.spec, items } });

export function setPanel(board: Board, key: string, panel: Panel): Board {
  return withSpec(board, { panels: { ...board.spec.panels, [key]: panel } });
}

export function moveItem(board: Board, section: number, index: number, to: Partial<Item>): Board {
  return withLayout(board, section, (layout) => withItems(layout, moved(layout.spec.items ?? [], index, to)));
}

/** Takes an item away, and its panel where nothing else shows it. */
export function removeItem(board: Board, section: number, index: number): Board {
  const item = board.spec.layouts?.[section]?.spec.items?.[index];
  if (!item) return board;
  const next = withLayout(board, section, (layout) => withItems(layout, (layout.spec.items ?? []).filter((_, i) => i !== index)));
  const key = keyOf(item);
  const used = (next.spec.layouts ?? []).some((layout) => (layout.spec.items ?? []).some((other) => keyOf(other) === key));
  if (used) return next;
  const { [key]: _gone, ...panels } = next.spec.panels ?? {};
  return withSpec(next, { panels });
}

export function freeKey(board: Board): string {
  for (let i = 1; ; i++) if (!(`panel_${i}` in (board.spec.panels ?? {}))) return `panel_${i}`;
}

export const NEW_PANEL: Panel = {
  kind: "Panel",
  spec: {
    display: { name: "New panel" },
    plugin: { kind: "TimeSeriesChart", spec: { legend: { position: "bottom", values: ["last-number"] }, yAxis: { format: { unit: "decimal" } } } },
    queries: [{ kind: "TimeSeriesQuery", spec: { plugin: { kind: "PrometheusTimeSeriesQuery", spec: { query: "up" } } } }],
  },
};

/** Adds a panel below what is there. */
export function addPanel(board: Board, panel: Panel): { board: Board; key: string } {
  const key = freeKey(board);
  const layouts = board.spec.layouts ?? [];
  const last = layouts.findLastIndex((layout) => layout.kind === "Grid");
  const items = layouts[last]?.spec.items ?? [];
  const y = items.reduce((most, item) => Math.max(most, item.y + item.height), 0);
  const item: Item = { x: 0, y, width: COLUMNS / 2, height: 8, content: { $ref: `#/spec/panels/${key}` } };
  const added = setPanel(board, key, panel);
  if (last < 0) return { key, board: withSpec(added, { layouts: [...layouts, { kind: "Grid", spec: { items: [item] } }] }) };
  return { key, board: withLayout(added, last, (layout) => withItems(layout, [...items, item])) };
}

export function renamed(board: Board, name: string, title: string): Board {
  return { ...board, metadata: { ...board.metadata, name }, spec: { ...board.spec, display: { ...board.spec.display, name: title } } };
}

export function emptyBoard(name: string, title: string): Board {
  return { kind: "Dashboard", metadata: { name }, spec: { display: { name: title }, duration: "1h", variables: [], panels: {}, layouts: [{ kind: "Grid", spec: { items: [] } }] } };
}

/** A name of a title, as the server makes it. */
export function nameOf(title: string): string {
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 72).replace(/^-+|-+$/g, "");
  return name === "" || name === "import" || name === "lint" ? `board-${name}`.replace(/-$/, "") : name;
}
