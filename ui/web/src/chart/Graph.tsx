// A directed graph as SVG: boxes with a state, edges as wide as they are busy. A click chooses a box; its
// neighbours stay, the rest fades. Boxes are buttons; the table beside it is the text alternative.
import { useMemo } from "preact/hooks";
import { layGraph } from "./graphLayout";

export interface GraphNode {
  id: string;
  title: string;
  sub: string;
  state: "ok" | "warn" | "err" | "none";
  /** A CSS colour of the mark in front of the title. */
  mark?: string;
  isDashed?: boolean;
}

export interface GraphLine {
  from: string;
  to: string;
  label: string;
  state: "ok" | "warn" | "err" | "none";
  /** 0 to 1. */
  weight: number;
  title: string;
}

export interface GraphProps {
  nodes: readonly GraphNode[];
  edges: readonly GraphLine[];
  focus: string | null;
  onFocus: (id: string | null) => void;
  label: string;
}

const SIZE = { nodeWidth: 168, nodeHeight: 46, gapX: 96, gapY: 20 };
const PAD = 14;
/** With more edges than this only those of the chosen box have labels. */
const LABELS_MAX = 36;

export function Graph({ nodes, edges, focus, onFocus, label }: GraphProps) {
  const laid = useMemo(() => layGraph(nodes.map(({ id }) => id), edges.map(({ from, to, weight }) => ({ from, to, weight: weight ** 2 })), SIZE), [nodes, edges]);
  const near = new Set(focus === null ? [] : [focus, ...edges.filter((e) => e.from === focus || e.to === focus).flatMap((e) => [e.from, e.to])]);
  // Lines between boxes of the last layer go round their right sides.
  const beyond = edges.some((_, i) => laid.edges[i].length > 0 && laid.edges[i][0].x === laid.edges[i][1].x) ? SIZE.gapX : 0;
  const [width, height] = [laid.width + 2 * PAD + beyond, laid.height + 2 * PAD + 16];
  const degree = useMemo(() => {
    const [out, into] = [new Map<string, number>(), new Map<string, number>()];
    for (const { from, to } of edges) {
      out.set(from, (out.get(from) ?? 0) + 1);
      into.set(to, (into.get(to) ?? 0) + 1);
    }
    return (edge: GraphLine) => (out.get(edge.from) ?? 0) >= (into.get(edge.to) ?? 0);
  }, [edges]);
  const lines = edges.map((edge, i) => ({
    edge,
    path: edge.from === edge.to ? loop(laid.nodes.get(edge.from)) : curve(laid.edges[i], degree(edge)),
    far: focus !== null && edge.from !== focus && edge.to !== focus ? " far" : "",
  }));
  return (
    <div class="graph" role="group" tabIndex={0} aria-label={label} onClick={(event) => !(event.target as Element).closest("[data-node]") && onFocus(null)}>
      <svg style={{ width: `clamp(${Math.round(width * 0.55)}px, 100%, ${width}px)` }} viewBox={`${-PAD} ${-PAD} ${width} ${height}`}>
        <defs>
          <marker id="graph-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.500 7.500 4 0 7.500z" class="ghead" /></marker>
        </defs>
        {lines.map(({ edge, path, far }) => (
          <g key={`${edge.from} ${edge.to}`} class={`gedge ${edge.state}${far}`}>
            <title>{edge.title}</title>
            <path d={path.d} marker-end="url(#graph-arrow)" style={{ strokeWidth: 1 + 3 * edge.weight, opacity: focus === null ? Math.min(1, 0.3 + edge.weight * 2) : 1 }} />
          </g>
        ))}
        {nodes.map((node) => {
          const at = laid.nodes.get(node.id);
          if (!at) return null;
          const choose = () => onFocus(focus === node.id ? null : node.id);
          return (
            <g key={node.id} data-node={node.id} class={`gnode ${node.state}${focus !== null && !near.has(node.id) ? " far" : ""}${focus === node.id ? " on" : ""}`} transform={`translate(${at.x} ${at.y})`}
              role="button" tabIndex={0} aria-pressed={focus === node.id} onClick={choose}
              onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), choose())}>
              <rect width={SIZE.nodeWidth} height={SIZE.nodeHeight} rx="6" stroke-dasharray={node.isDashed ? "4 3" : undefined} />
              <rect class="gstate" width="4" height={SIZE.nodeHeight} rx="2" />
              {node.mark && <rect x="12" y="11" width="9" height="9" rx="2" style={{ fill: node.mark, stroke: "none" }} />}
              <text class="gtitle" x={node.mark ? 27 : 12} y="20">{short(node.title, 18)}</text>
              <text class="gsub" x="12" y="37">{node.state === "err" ? "▲ " : node.state === "warn" ? "● " : ""}{short(node.sub, 26)}</text>
            </g>
          );
        })}
        {(focus !== null || edges.length <= LABELS_MAX) && lines.map(({ edge, path, far }) => !far && <g key={`${edge.from} ${edge.to}`} class={`gedge ${edge.state}`}><text x={path.x} y={path.y - 4}>{edge.label}</text></g>)}
      </svg>
    </div>
  );
}

const short = (text: string, room: number) => (text.length > room ? `${text.slice(0, room - 1)}…` : text);

/** A line through the points of an edge, from the right side of its box to the left side of the other. Its
 * label stands where fewer lines meet: near the end when the start has many. */
function curve(points: readonly { x: number; y: number }[], nearEnd: boolean): { d: string; x: number; y: number } {
  if (points.length < 2) return { d: "", x: 0, y: 0 };
  if (points[0].x === points[1].x) return beside(points[0], points[1]);
  const half = (SIZE.nodeWidth / 2) * (points[0].x > points[points.length - 1].x ? -1 : 1);
  const way = points.map((point) => ({ ...point }));
  way[0].x += half;
  way[way.length - 1].x -= half;
  let d = `M${way[0].x} ${way[0].y}`;
  for (let i = 1; i < way.length; i++) {
    const middle = (way[i - 1].x + way[i].x) / 2;
    d += `C${middle} ${way[i - 1].y} ${middle} ${way[i].y} ${way[i].x} ${way[i].y}`;
  }
  const [a, b] = nearEnd ? way.slice(-2) : way;
  // The curve is a third order step: at these parts it is this far up.
  const part = nearEnd ? 0.57 : 0.43;
  return { d, x: a.x + (b.x - a.x) * (1.5 * part * (1 - part) + part ** 3), y: a.y + (b.y - a.y) * (3 * part ** 2 - 2 * part ** 3) };
}

/** Two boxes of one layer: round their right sides. */
function beside(from: { x: number; y: number }, to: { x: number; y: number }): { d: string; x: number; y: number } {
  const x = from.x + SIZE.nodeWidth / 2;
  const out = x + Math.min(SIZE.gapX * 0.7, 24 + Math.abs(from.y - to.y) / 5);
  return { d: `M${x} ${from.y}C${out} ${from.y} ${out} ${to.y} ${x} ${to.y}`, x: out, y: (from.y + to.y) / 2 };
}

/** A service that calls itself. */
function loop(at: { x: number; y: number } | undefined): { d: string; x: number; y: number } {
  if (!at) return { d: "", x: 0, y: 0 };
  const [x, y] = [at.x + SIZE.nodeWidth / 2, at.y + SIZE.nodeHeight];
  return { d: `M${x + 24} ${y}C${x + 30} ${y + 20} ${x - 30} ${y + 20} ${x - 24} ${y}`, x: x + 46, y: y + 16 };
}
