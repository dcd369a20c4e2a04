// The tables and their columns.
import { useLoad } from "../../lib/load";
import { loadSchema } from "../../lib/schema";
import { ErrorBox } from "../../ui/parts";

const WHAT: Record<string, string> = {
  logs: "log records",
  spans: "spans of traces",
  span_events: "events of spans, such as exceptions",
  span_links: "links between spans",
  samples: "samples of metrics, one row each",
  slices: "stored pieces of series, with their statistics",
  alert_events: "what alerts did",
};

export function SchemaBrowser() {
  const { data, error, reload } = useLoad("schema", loadSchema);
  return (
    <aside class="schema" aria-label="Schema">
      <h2>Schema</h2>
      {error && <ErrorBox error={error} retry={reload} />}
      {data && [...data].filter(([table]) => WHAT[table]).map(([table, columns]) => (
        <details key={table} open={table === "logs"}>
          <summary><b class="mono">{table}</b> <span class="muted">{WHAT[table]}</span></summary>
          <ul>
            {columns.slice(0, 200).map((column) => <li key={column.name} class="mono"><span class="clip data" title={column.name}>{column.name}</span> <span class="muted">{column.type}</span></li>)}
          </ul>
        </details>
      ))}
      <p class="muted">Attributes: <code>attributes['http.route']</code>. <code>$from</code> and <code>$to</code> are the range above.</p>
    </aside>
  );
}
