// A layered layout of a directed graph, left to right: nodes stand one layer behind the last that calls
// them (in a graph of circles: as far as they are from the start), edges over several layers get a bend in each, and
// a few sweeps put every node near the middle of its neighbours.

export interface GraphEdge {
  from: string;
  to: string;
  /** How busy it is, in any unit; without it all are alike. */
  weight?: number;
}

export interface Laid {
  nodes: Map<string, { x: number; y: number; layer: number }>;
  /** Points of each edge, in the order of the edges; an edge to itself has none. */
  edges: { x: number; y: number }[][];
  width: number;
  height: number;
}

export interface Size {
  nodeWidth: number;
  nodeHeight: number;
  gapX: number;
  gapY: number;
}

interface Cell {
  layer: number;
  /** Place in its layer, then its y. */
  at: number;
  before: number[];
  after: number[];
  isBend: boolean;
}

const SWEEPS = 12;

export function layGraph(names: readonly string[], edges: readonly GraphEdge[], size: Size): Laid {
  const index = new Map(names.map((name, i) => [name, i]));
  const known = edges.map(({ from, to, weight = 1 }) => ({ from: index.get(from) ?? -1, to: index.get(to) ?? -1, weight }));
  const layers = layersOf(names.length, known);
  const forward = known.map(({ from, to }) => from < 0 || to < 0 || layers[from] <= layers[to]);
  const cells: Cell[] = layers.map((layer) => ({ layer, at: 0, before: [], after: [], isBend: false }));
  const chains = known.map((edge, e) => (edge.from < 0 || edge.to < 0 || edge.from === edge.to ? [] : layers[edge.from] === layers[edge.to] ? [edge.from, edge.to] : chain(cells, forward[e] ? [edge.from, edge.to] : [edge.to, edge.from])));
  const columns = order(cells);
  const tall = place(cells, columns, size);
  const stride = size.nodeWidth + size.gapX;
  const nodes = new Map(names.map((name, i) => [name, { x: cells[i].layer * stride, y: cells[i].at, layer: cells[i].layer }]));
  const points = chains.map((cellsOf, e) => {
    const ends = cellsOf.map((cell) => ({ x: cells[cell].layer * stride + size.nodeWidth / 2, y: cells[cell].at + (cells[cell].isBend ? 0 : size.nodeHeight / 2) }));
    return forward[e] ? ends : ends.reverse();
  });
  return { nodes, edges: points, width: Math.max(0, columns.length * stride - size.gapX), height: tall };
}

interface Edge {
  from: number;
  to: number;
  weight: number;
}

/** The part of the busiest edge of both its ends from which an edge says who stands before whom. */
const COUNTS_FROM = 0.05;
/** More than this part of such edges in circles, and there is no before. */
const CIRCLES_MAX = 0.2;

function layersOf(count: number, edges: readonly Edge[]): number[] {
  const main = mainEdges(count, edges);
  const kept = withoutCircles(count, main);
  return kept.length < main.length * (1 - CIRCLES_MAX) ? distances(count, main) : longest(count, kept);
}

/** The edges that carry the traffic: a stray call of a night job does not turn the picture round. */
function mainEdges(count: number, edges: readonly Edge[]): Edge[] {
  const [out, into] = [new Array<number>(count).fill(0), new Array<number>(count).fill(0)];
  const real = edges.filter(({ from, to }) => from >= 0 && to >= 0 && from !== to);
  for (const { from, to, weight } of real) {
    out[from] = Math.max(out[from], weight);
    into[to] = Math.max(into[to], weight);
  }
  const counts = ({ from, to, weight }: Edge) => weight >= out[from] * COUNTS_FROM && weight >= into[to] * COUNTS_FROM;
  const reached = new Set(real.filter(counts).map(({ to }) => to));
  return real.filter((edge) => counts(edge) || (!reached.has(edge.to) && edge.weight === into[edge.to]));
}

/** Takes edges, the busiest first, unless they would close a circle. */
function withoutCircles(count: number, edges: readonly Edge[]): Edge[] {
  const out: number[][] = Array.from({ length: count }, () => []);
  const reaches = (start: number, goal: number) => {
    const seen = new Uint8Array(count);
    const stack = [start];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (next === goal) return true;
      for (const to of out[next]) if (!seen[to]) (seen[to] = 1), stack.push(to);
    }
    return false;
  };
  return [...edges].sort((a, b) => b.weight - a.weight).filter((edge) => {
    if (reaches(edge.to, edge.from)) return false;
    out[edge.from].push(edge.to);
    return true;
  });
}

/** The longest way from a start. */
function longest(count: number, edges: readonly Edge[]): number[] {
  const layers = new Array<number>(count).fill(0);
  const waiting = new Array<number>(count).fill(0);
  const out: number[][] = Array.from({ length: count }, () => []);
  for (const { from, to } of edges) {
    out[from].push(to);
    waiting[to]++;
  }
  const ready = layers.map((_, i) => i).filter((i) => waiting[i] === 0);
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const to of out[next]) {
      layers[to] = Math.max(layers[to], layers[next] + 1);
      if (--waiting[to] === 0) ready.push(to);
    }
  }
  return layers;
}

/** Steps from those whom nobody calls, or from the first where all are called. */
function distances(count: number, edges: readonly Edge[]): number[] {
  const out: number[][] = Array.from({ length: count }, () => []);
  const isCalled = new Array<boolean>(count).fill(false);
  for (const { from, to } of edges) {
    out[from].push(to);
    isCalled[to] = true;
  }
  const steps = new Array<number>(count).fill(-1);
  const queue = steps.map((_, i) => i).filter((i) => !isCalled[i]);
  queue.forEach((i) => (steps[i] = 0));
  for (let start = 0; start < count; start++) {
    // A part that nobody outside calls begins at its first node.
    if (queue.length === 0 && steps[start] < 0) queue.push(start);
    if (queue[0] === start && steps[start] < 0) steps[start] = 0;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const to of out[next]) {
        if (steps[to] >= 0) continue;
        steps[to] = steps[next] + 1;
        queue.push(to);
      }
    }
  }
  return steps;
}

/** Adds a bend in each layer between two nodes; returns the cells from one to the other. */
function chain(cells: Cell[], [from, to]: [number, number]): number[] {
  const list = [from];
  for (let layer = cells[from].layer + 1; layer < cells[to].layer; layer++) {
    cells.push({ layer, at: 0, before: [], after: [], isBend: true });
    list.push(cells.length - 1);
  }
  list.push(to);
  for (let i = 1; i < list.length; i++) {
    cells[list[i - 1]].after.push(list[i]);
    cells[list[i]].before.push(list[i - 1]);
  }
  return list;
}

/** Orders each layer by the middle of the neighbours, to and fro. */
function order(cells: Cell[]): number[][] {
  const columns: number[][] = [];
  cells.forEach((cell, i) => (columns[cell.layer] ??= []).push(i));
  const number = () => columns.forEach((column) => column.forEach((cell, i) => (cells[cell].at = i)));
  number();
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isForward = sweep % 2 === 0;
    for (const column of isForward ? columns : [...columns].reverse()) {
      const middle = (cell: number) => {
        const near = isForward ? cells[cell].before : cells[cell].after;
        return near.length > 0 ? near.reduce((sum, other) => sum + cells[other].at, 0) / near.length : cells[cell].at;
      };
      const wanted = new Map(column.map((cell) => [cell, middle(cell)]));
      column.sort((a, b) => wanted.get(a)! - wanted.get(b)! || cells[a].at - cells[b].at);
      column.forEach((cell, i) => (cells[cell].at = i));
    }
  }
  return columns;
}

/** Turns places into y: each cell as near to its neighbours as those above it allow. */
function place(cells: Cell[], columns: readonly number[][], size: Size): number {
  const height = (cell: number) => (cells[cell].isBend ? size.gapY : size.nodeHeight + size.gapY);
  for (const column of columns) {
    let y = 0;
    for (const cell of column) {
      cells[cell].at = y;
      y += height(cell);
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const column of sweep % 2 === 0 ? columns : [...columns].reverse()) settle(cells, column, height);
  }
  const top = Math.min(...cells.map((cell) => cell.at), Infinity);
  if (!Number.isFinite(top)) return 0;
  for (const cell of cells) cell.at -= top;
  return Math.max(...cells.map((cell) => cell.at)) + size.nodeHeight;
}

function settle(cells: Cell[], column: readonly number[], height: (cell: number) => number) {
  const wanted = column.map((cell) => {
    const near = [...cells[cell].before, ...cells[cell].after];
    return near.length > 0 ? near.reduce((sum, other) => sum + cells[other].at, 0) / near.length : cells[cell].at;
  });
  let floor = -Infinity;
  column.forEach((cell, i) => {
    cells[cell].at = Math.max(wanted[i], floor);
    floor = cells[cell].at + height(cell);
  });
  // What was pushed down together goes up again as far as the whole column wants.
  const drift = column.reduce((sum, cell, i) => sum + wanted[i] - cells[cell].at, 0) / Math.max(column.length, 1);
  for (const cell of column) cells[cell].at += drift;
}
