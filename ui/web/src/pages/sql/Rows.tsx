// The rows of an answer, virtual; sorted by a column; a long value is shown whole on demand.
import { useMemo, useState } from "preact/hooks";
import { LIMITS } from "../../lib/limits";
import { href } from "../../lib/router";
import type { SqlRows } from "../../lib/schema";
import { formatCount } from "../../lib/units";
import { Copy, Dialog, Notices } from "../../ui/parts";
import { VirtualList } from "../../ui/VirtualList";
import { cellText } from "./cells";

const ROW = 24;
const NUMERIC = /^(integer|bigint|double|float|decimal|smallint|tinyint|real)/;

export function Rows({ data }: { data: SqlRows }) {
  const { columns, types } = data;
  const [sort, setSort] = useState<{ by: number; up: boolean } | null>(null);
  const [open, setOpen] = useState<{ column: string; text: string } | null>(null);
  const rows = useMemo(() => {
    const kept = data.rows.slice(0, LIMITS.tableRows);
    if (!sort) return kept;
    const { by, up } = sort;
    const less = NUMERIC.test(types[by]) ? (a: unknown[], b: unknown[]) => Number(a[by]) - Number(b[by]) : (a: unknown[], b: unknown[]) => cellText(a[by]).localeCompare(cellText(b[by]));
    return kept.sort((a, b) => (up ? less(a, b) : less(b, a)));
  }, [data, sort]);
  const widths = useMemo(() => columns.map((name, i) => {
    const longest = Math.max(name.length + 2, ...data.rows.slice(0, 100).map((row) => Math.min(cellText(row[i]).length, 60)));
    return `minmax(${Math.min(longest, 14) * 7 + 16}px, ${Math.min(longest, 60)}fr)`;
  }), [data]);
  const template = { gridTemplateColumns: widths.join(" "), minWidth: `${columns.reduce((sum, name, i) => sum + Math.min(Math.max(name.length, ...data.rows.slice(0, 20).map((row) => cellText(row[i]).length)), 24) * 7 + 20, 0)}px` };
  return (
    <>
      {data.rows.length > LIMITS.tableRows && <Notices>The first {formatCount(LIMITS.tableRows)} of {formatCount(data.rows.length)} rows are shown; CSV has all of them.</Notices>}
      <div class="scroll-x" tabIndex={0}>
        <div class="sqlhead" style={template}>
          {columns.map((name, i) => (
            <button key={`${name}${i}`} class={`clip data ${NUMERIC.test(types[i]) ? "num" : ""}`} title={`${name}: ${types[i]}`} onClick={() => setSort((old) => (old?.by === i ? (old.up ? { by: i, up: false } : null) : { by: i, up: true }))}>
              {name}{sort?.by === i ? (sort.up ? " ↑" : " ↓") : ""}
            </button>
          ))}
        </div>
        <div style={{ height: `${Math.min(rows.length, 18) * ROW + 4}px`, minWidth: template.minWidth, display: "grid" }}>
          <VirtualList
            count={rows.length} rowHeight={ROW} label="Rows" columns={columns.length} version={rows}
            render={(at) => (
              <div class="sqlrow mono" role="row" aria-rowindex={at + 1} key={at} style={template}>
                {rows[at].map((value, i) => <Value key={i} column={columns[i]} value={value} numeric={NUMERIC.test(types[i])} onOpen={setOpen} />)}
              </div>
            )}
          />
        </div>
      </div>
      {open && (
        <Dialog title={open.column} onClose={() => setOpen(null)}>
          <div class="keys">
            <h2 class="mono data">{open.column}</h2>
            <pre class="data">{pretty(open.text).slice(0, 300_000)}</pre>
            <span class="row"><Copy text={open.text} /><button class="btn small" onClick={() => setOpen(null)}>Close</button></span>
          </div>
        </Dialog>
      )}
    </>
  );
}

function pretty(text: string): string {
  try {
    return /^[[{]/.test(text) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
}

function Value({ column, value, numeric, onOpen }: { column: string; value: unknown; numeric: boolean; onOpen: (open: { column: string; text: string }) => void }) {
  const text = cellText(value);
  if (value === null) return <span role="cell" class="muted">null</span>;
  if (column === "trace_id" && /^[0-9a-f]{32}$/.test(text)) return <span role="cell" class="clip"><a href={href(`/traces/${text}`)}>{text}</a></span>;
  if (text.length > 60) return <span role="cell" class="clip"><button class="more clip data" onClick={() => onOpen({ column, text })}>{text.slice(0, 300)}</button></span>;
  return <span role="cell" class={`clip data ${numeric ? "num" : ""}`}>{text}</span>;
}
