// Tables: samples of several questions side by side, and series with a small line each.
import { useMemo, useState } from "preact/hooks";
import { Spark } from "../chart/Spark";
import { LIMITS } from "../lib/limits";
import { VirtualList } from "../ui/VirtualList";
import { calcName, calculate } from "./calc";
import { formatOf, formatted, mapped, patternOf, stateOf, type Format } from "./format";
import { listOf, textOf, treeOf, type Tree } from "./model";
import { overrideOf } from "./overrides";
import type { PanelProps } from "./registry";
import { compare, transform, type Cell, type Frame } from "./transform";

interface Column {
  name: string;
  header: string;
  format: Format;
  numeric: boolean;
}

const ROW = 26;

/** What is said of a column: by its name, or by a pattern that fits it. */
function settingOf(spec: Tree, name: string): Tree {
  const settings = listOf(spec, "columnSettings");
  const exact = settings.find((one) => one.name === name);
  const fits = exact ?? settings.find((one) => /^\/.*\/$/.test(textOf(one, "name") ?? "") && patternOf(textOf(one, "name")!)?.test(name));
  return { ...fits, ...overrideOf(spec, name) };
}

function columnsOf(frame: Frame, spec: Tree): Column[] {
  const common = formatOf(treeOf(spec, "format"));
  return frame.columns.flatMap((name) => {
    const setting = settingOf(spec, name);
    if (setting.hide === true) return [];
    const numeric = frame.rows.some((row) => typeof row[name] === "number");
    const own = treeOf(setting, "format");
    return [{ name, header: textOf(setting, "header") || name, format: own ? formatOf(own) : common, numeric }];
  });
}

function shown(cell: Cell | undefined, column: Column): string {
  if (typeof cell === "number") return formatted(cell, column.format);
  return cell === null || cell === undefined ? "" : cell.slice(0, LIMITS.valueChars);
}

export function TablePanel({ spec, panel, data, height }: PanelProps) {
  const frame = useMemo(() => {
    const frames = transform(data.tables, listOf(spec, "transforms"));
    return frames[0] ?? { ref: "", columns: [], rows: [] };
  }, [data, spec]);
  const columns = useMemo(() => columnsOf(frame, spec), [frame, spec]);
  const first = treeOf(spec, "sort");
  const [sort, setSort] = useState<{ column: string; down: boolean } | null>(null);
  const by = sort ?? (first && textOf(first, "column") ? { column: textOf(first, "column")!, down: first.descending === true } : null);
  const rows = useMemo(() => {
    const name = by && columns.find((column) => column.name === by.column || column.header === by.column)?.name;
    const sorted = name ? [...frame.rows].sort((a, b) => (by!.down ? -1 : 1) * compare(a[name], b[name])) : frame.rows;
    return sorted.slice(0, LIMITS.tableRows);
  }, [frame, columns, by?.column, by?.down]);
  if (rows.length === 0) return <p class="nodata muted">No rows in this range.</p>;
  const widths = columns.map((column) => (column.numeric ? "minmax(84px, 0.6fr)" : "minmax(110px, 1.6fr)")).join(" ");
  const grid = { gridTemplateColumns: widths, minWidth: `${columns.length * 96}px` };
  const isBy = (column: Column) => by !== null && (by.column === column.name || by.column === column.header);
  return (
    <div class="gridtable">
      <div class="gridhead" style={grid}>
        {columns.map((column) => (
          <span key={column.name} class={column.numeric ? "num" : ""}>
            <button type="button" title={`Sort by ${column.header}`} aria-pressed={isBy(column)} onClick={() => setSort({ column: column.name, down: isBy(column) ? !by!.down : column.numeric })}>{column.header}{isBy(column) ? (by!.down ? " ↓" : " ↑") : ""}</button>
          </span>
        ))}
      </div>
      <div class="gridrows" style={{ height: `${Math.max(ROW * 2, height - 38)}px`, minWidth: grid.minWidth }}>
        <VirtualList
          count={rows.length} rowHeight={ROW} columns={columns.length} label={`${panel.spec.display?.name || "Table"}: ${columns.map((column) => column.header).join(", ")}`} version={rows}
          render={(i) => (
            <div key={i} role="row" aria-rowindex={i + 1} class="gridrow" style={{ gridTemplateColumns: widths, height: `${ROW}px` }}>
              {columns.map((column) => {
                const cell = rows[i][column.name];
                const stands = mapped(cell ?? null, listOf(spec, "mappings"));
                const state = typeof cell === "number" && column.numeric && /^Value/.test(column.name) ? stateOf(cell, treeOf(spec, "thresholds")) : undefined;
                const colour = stands?.colour ?? (state === "--err" || state === "--warn" ? state : undefined);
                return <span key={column.name} role="cell" class={column.numeric ? "num data clip" : "mono data clip"} title={String(cell ?? "")} style={colour ? { color: `var(${colour})` } : undefined}>{stands?.text ?? shown(cell, column)}</span>;
              })}
            </div>
          )}
        />
      </div>
    </div>
  );
}

/** Series over time as rows. */
export function SeriesTablePanel({ spec, data }: PanelProps) {
  const format = formatOf(treeOf(spec, "format"));
  const hows = ["last-number", "mean", "max"];
  const rows = useMemo(() => data.series.map((series) => ({ series, numbers: hows.map((how) => calculate(series.values, how)) })).sort((a, b) => (b.numbers[0] ?? -Infinity) - (a.numbers[0] ?? -Infinity)), [data]);
  if (rows.length === 0) return <p class="nodata muted">No data in this range.</p>;
  return (
    <div class="panelscroll" tabIndex={0} role="group" aria-label="Series">
      <table class="table">
        <thead><tr><th>Series</th><th>Over time</th>{hows.map((how) => <th key={how} class="num">{calcName[how]}</th>)}</tr></thead>
        <tbody>
          {rows.slice(0, LIMITS.chartSeries).map(({ series, numbers }) => (
            <tr key={`${series.query} ${series.name}`}>
              <td class="mono data">{series.name}</td>
              <td><Spark values={series.values} width={90} /></td>
              {numbers.map((value, i) => <td key={hows[i]} class="num">{formatted(value, format)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
