// A notebook: cells of SQL and PromQL over the same data, the schema beside them, all of it in the URL.
import { useState } from "preact/hooks";
import { param, setParams } from "../../lib/router";
import { Icon } from "../../ui/icons";
import { Guard } from "../../ui/guard";
import { CellView } from "./CellView";
import { readCells, writeCells, type Cell } from "./cells";
import { SchemaBrowser } from "./SchemaBrowser";
import "./sql.css";

export default function Sql() {
  const cells = readCells(param("cells"), param("q"));
  const [schema, setSchema] = useState(false);
  const keep = (next: readonly Cell[]) => setParams({ cells: writeCells(next), q: null }, { replace: false });
  const change = (at: number, cell: Cell) => keep(cells.map((one, i) => (i === at ? cell : one)));
  const add = (language: Cell["language"]) => keep([...cells, { language, text: language === "sql" ? "SELECT * FROM spans WHERE start >= $from AND start < $to LIMIT 100" : "up" }]);
  return (
    <div class={`sqlpage ${schema ? "schemaopen" : ""}`}>
      <div class="page">
        {cells.map((cell, i) => (
          <Guard key={i} reset={cell.text}>
            <CellView cell={cell} number={i + 1} onChange={(next) => change(i, next)} onRemove={cells.length > 1 ? () => keep(cells.filter((_, at) => at !== i)) : undefined} />
          </Guard>
        ))}
        <div class="row">
          <button class="btn" onClick={() => add("sql")}><Icon name="plus" /> SQL</button>
          <button class="btn" onClick={() => add("promql")}><Icon name="plus" /> PromQL</button>
          <span class="grow" />
          <button class="btn schemabtn" aria-pressed={schema} onClick={() => setSchema(!schema)}>Schema</button>
        </div>
      </div>
      <SchemaBrowser />
    </div>
  );
}
