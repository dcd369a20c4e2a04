// The layouts of the flame graph and of graphs of services.
import { describe, expect, it } from "vitest";
import { FLAME_ROWS, flameRows, spanAt } from "../src/chart/flameLayout";
import { layGraph } from "../src/chart/graphLayout";

const SIZE = { nodeWidth: 100, nodeHeight: 40, gapX: 50, gapY: 10 };
const edges = (text: string) => text.split(" ").filter(Boolean).map((edge) => ({ from: edge[0], to: edge[1] }));
const names = (text: string) => [...new Set(text.replace(/ /g, ""))];
const layers = (text: string) => {
  const laid = layGraph(names(text), edges(text), SIZE);
  return Object.fromEntries([...laid.nodes].map(([name, { layer }]) => [name, layer]));
};

describe("a graph of services", () => {
  it.each([
    ["ab bc ac", { a: 0, b: 1, c: 2 }],
    ["ab ac bd cd", { a: 0, b: 1, c: 1, d: 2 }],
    ["ab xy", { a: 0, b: 1, x: 0, y: 1 }],
    // In circles: steps from the start.
    ["ab bc ca", { a: 0, b: 1, c: 2 }],
    ["ab ba ac ca bc cb", { a: 0, b: 1, c: 1 }],
    ["aa", { a: 0 }],
  ])("%s stands in layers", (text, wanted) => expect(layers(text)).toEqual(wanted));

  it("is ordered by what is busy, not by stray calls", () => {
    const stray = edges("ca da db").map((edge) => ({ ...edge, weight: 0.01 }));
    const { nodes } = layGraph(names("abcd"), [...edges("ab ac cd").map((edge) => ({ ...edge, weight: 10 })), ...stray], SIZE);
    expect(Object.fromEntries([...nodes].map(([name, { layer }]) => [name, layer]))).toEqual({ a: 0, b: 1, c: 1, d: 2 });
  });

  it("lays no two boxes over each other", () => {
    const all = "abcdefghijklmnop".split("");
    const list = all.flatMap((from, i) => [2 * i + 1, 2 * i + 2, i + 5].filter((to) => to < all.length).map((to) => ({ from, to: all[to] })));
    const { nodes, width, height } = layGraph(all, list, SIZE);
    const places = [...nodes.values()];
    places.forEach((a, i) => {
      expect(a.x).toBeGreaterThanOrEqual(0);
      expect(a.x + SIZE.nodeWidth).toBeLessThanOrEqual(width);
      expect(a.y + SIZE.nodeHeight).toBeLessThanOrEqual(height + 0.01);
      for (const b of places.slice(i + 1)) if (a.layer === b.layer) expect(Math.abs(a.y - b.y)).toBeGreaterThanOrEqual(SIZE.nodeHeight);
    });
  });

  it("draws every edge from its own end, unknown names not at all", () => {
    const { nodes, edges: lines } = layGraph(["a", "b", "c"], [...edges("ab bc ca aa"), { from: "a", to: "?" }], SIZE);
    const middle = (name: string) => ({ x: nodes.get(name)!.x + 50, y: nodes.get(name)!.y + 20 });
    expect(lines[2][0]).toEqual(middle("c"));
    expect(lines[2].at(-1)).toEqual(middle("a"));
    expect(lines.slice(3)).toEqual([[], []]);
  });

  it("holds no nodes", () => expect(layGraph([], [], SIZE).height).toBe(0));
});

describe("a flame graph", () => {
  const rows = (spans: [start: number, duration: number, parent: number][]) => flameRows(Float64Array.from(spans, (s) => s[0]), Float64Array.from(spans, (s) => s[1]), Int32Array.from(spans, (s) => s[2]));

  it("puts children below, parallel ones below each other", () => {
    const { row, count } = rows([[0, 100, -1], [10, 20, 0], [15, 5, 1], [25, 30, 0], [60, 10, 0]]);
    expect([...row]).toEqual([0, 1, 2, 2, 1]);
    expect(count).toBe(3);
  });

  it("has a last row for what is too parallel", () => {
    const { count } = rows(Array.from({ length: FLAME_ROWS + 50 }, (_, i): [number, number, number] => [0, 10, i === 0 ? -1 : 0]));
    expect(count).toBe(FLAME_ROWS);
  });

  it("finds the span under the pointer", () => {
    const [start, duration] = [Float64Array.of(0, 10), Float64Array.of(100, 20)];
    const laid = flameRows(start, duration, Int32Array.of(-1, 0));
    expect(spanAt(laid, start, duration, 1, 15, 0)).toBe(1);
    expect(spanAt(laid, start, duration, 1, 50, 0)).toBe(-1);
    expect(spanAt(laid, start, duration, 0, 50, 0)).toBe(0);
  });
});
