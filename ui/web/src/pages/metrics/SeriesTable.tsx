// The legend as a table: every series with its numbers; sorted by any of them; a click puts it in colour.
import { useMemo, useState } from "preact/hooks";
import { Spark } from "../../chart/Spark";
import { LIMITS } from "../../lib/limits";
import { colourToken } from "../../lib/palette";
import { seriesName, type Matrix } from "../../lib/promql";
import { format, type Unit } from "../../lib/units";
import { VirtualList } from "../../ui/VirtualList";
import { summarise, type Summary } from "./change";

export interface SeriesTableProps {
  data: Matrix;
  order: readonly number[];
  slots: readonly (number | null)[];
  /** Labels in which the series differ. */
  keys: readonly string[];
  unit: Unit;
  /** The time under the cursor; its values stand for the last ones. */
  at: number | null;
  onFocus: (series: number | null) => void;
  onPick: (series: number) => void;
  tall?: boolean;
}

type Column = keyof Summary | "name";
const COLUMNS: [Column, string][] = [["name", "Series"], ["last", "Last"], ["min", "Min"], ["avg", "Avg"], ["max", "Max"]];
const ROW = 26;

export function SeriesTable({ data, order, slots, keys, unit, at, onFocus, onPick, tall }: SeriesTableProps) {
  const [sort, setSort] = useState<{ by: Column; up: boolean } | null>(null);
  const sums = useMemo(() => data.series.map(({ values }) => summarise(values)), [data]);
  const rows = useMemo(() => {
    if (!sort) return order.slice(0, LIMITS.tableRows);
    const { by, up } = sort;
    const text = (i: number) => seriesName(data.series[i].labels);
    const sorted = [...order].sort((a, b) => (by === "name" ? text(a).localeCompare(text(b)) : (sums[a][by] ?? -Infinity) - (sums[b][by] ?? -Infinity)));
    return (up ? sorted : sorted.reverse()).slice(0, LIMITS.tableRows);
  }, [order, sort, sums]);
  const height = tall ? undefined : Math.min(rows.length, 8) * ROW + 2;
  return (
    <section class={`panel series ${tall ? "tall" : ""}`} aria-label="Series">
      <div class="shead" role="presentation">
        {COLUMNS.map(([column, title]) => (
          <button key={column} class={`s${column}`} aria-label={`Sort by ${title}`} onClick={() => setSort((old) => (old?.by === column ? (old.up ? null : { by: column, up: true }) : { by: column, up: column === "name" }))}>
            {column === "last" && at !== null ? "Here" : title}{sort?.by === column ? (sort.up ? " ↑" : " ↓") : ""}
          </button>
        ))}
        <span class="sshape">Shape</span>
      </div>
      <div style={height === undefined ? { flex: 1, minHeight: "200px", display: "grid" } : { height: `${height}px`, display: "grid" }}>
        <VirtualList
          count={rows.length} rowHeight={ROW} label="Series and their numbers" columns={6} version={`${at} ${slots.join()}`}
          render={(row) => {
            const i = rows[row];
            const { labels, values } = data.series[i];
            const sum = sums[i];
            const slot = slots[i];
            const here = at === null ? sum.last : values[at];
            return (
              <div class="srow" role="row" aria-rowindex={row + 1} key={i} onPointerEnter={() => onFocus(i)} onPointerLeave={() => onFocus(null)}>
                <span role="cell" class="clip"><button class="sname" title={`${seriesName(labels)}: click to put it in colour`} onClick={() => onPick(i)}>
                  <i class="swatch" style={{ background: slot === null ? "var(--c-ctx)" : `var(${colourToken(slot)})` }} />
                  <span class="clip data"><Name labels={labels} keys={keys} /></span>
                </button></span>
                <span role="cell" class="num">{format(here, unit)}</span>
                <span role="cell" class="num smin">{format(sum.min, unit)}</span>
                <span role="cell" class="num">{format(sum.avg, unit)}</span>
                <span role="cell" class="num">{format(sum.max, unit)}</span>
                <span role="cell" class="sshape"><Spark values={values} width={90} height={18} fill={false} color={slot === null ? "--fg-3" : colourToken(slot)} /></span>
              </div>
            );
          }}
        />
      </div>
    </section>
  );
}

function Name({ labels, keys }: { labels: Record<string, string>; keys: readonly string[] }) {
  const parts = keys.filter((key) => labels[key]);
  if (parts.length === 0) return <span class="mono">{seriesName(labels)}</span>;
  return <>{parts.map((key, i) => (i === 0 ? <b key={key}>{labels[key]} </b> : <span key={key} class="muted">{labels[key]} </span>))}</>;
}
