// A panel in a dialog: what it shows on one side, what it is told on the other.
import { useState } from "preact/hooks";
import { CALCULATIONS, calcName } from "../../panels/calc";
import { keyOf, textOf, treeOf, type Board, type Item, type Panel, type Query, type Tree } from "../../panels/model";
import { PanelView } from "../../panels/PanelView";
import { KINDS } from "../../panels/registry";
import type { Env } from "../../panels/variables";
import { Dialog } from "../../ui/parts";
import { moveItem, setPanel } from "./change";

const UNITS = ["decimal", "percent-decimal", "percent", "seconds", "milliseconds", "bytes", "bytes/sec", "decbytes", "decbytes/sec", "bits/sec", "requests/sec", "ops/sec", "counts/sec", "events/sec", "packets/sec"];
const QUERIES: Record<string, string> = { PrometheusTimeSeriesQuery: "PromQL", TarnSqlQuery: "SQL", TarnLogQuery: "Logs" };
const QUERY_KIND: Record<string, string> = { PrometheusTimeSeriesQuery: "TimeSeriesQuery", TarnSqlQuery: "TableQuery", TarnLogQuery: "LogQuery" };

interface Props {
  board: Board;
  panelKey: string;
  env: Env;
  onClose: () => void;
  onChange: (board: Board) => void;
}

/** Where the format of a kind stands. */
const formatAt = (kind: string) => (kind === "TimeSeriesChart" ? "yAxis" : kind === "HeatMapChart" ? "yAxisFormat" : "format");

function unitOf(spec: Tree, kind: string): string {
  const at = treeOf(spec, formatAt(kind));
  return textOf(kind === "TimeSeriesChart" ? treeOf(at, "format") : at, "unit") ?? "decimal";
}

function withUnit(spec: Tree, kind: string, unit: string): Tree {
  const at = formatAt(kind);
  const old = treeOf(spec, at) ?? {};
  return { ...spec, [at]: kind === "TimeSeriesChart" ? { ...old, format: { ...treeOf(old, "format"), unit } } : { ...old, unit } };
}

function itemOf(board: Board, key: string): { section: number; index: number; item: Item } | null {
  const layouts = board.spec.layouts ?? [];
  for (let section = 0; section < layouts.length; section++) {
    const index = (layouts[section].spec.items ?? []).findIndex((item) => keyOf(item) === key);
    if (index >= 0) return { section, index, item: layouts[section].spec.items![index] };
  }
  return null;
}

export function EditPanel({ board, panelKey, env, onClose, onChange }: Props) {
  const [panel, setDraft] = useState<Panel>(board.spec.panels![panelKey]);
  const place = itemOf(board, panelKey);
  const [at, setAt] = useState<Partial<Item>>({});
  const { plugin, display, queries = [] } = panel.spec;
  const spec = plugin.spec ?? {};
  const put = (part: Partial<Panel["spec"]>) => setDraft({ ...panel, spec: { ...panel.spec, ...part } });
  const putSpec = (next: Tree) => put({ plugin: { ...plugin, spec: next } });
  const putQuery = (i: number, next: Query | null) => put({ queries: next ? queries.map((old, j) => (j === i ? next : old)) : queries.filter((_, j) => j !== i) });
  const done = () => {
    const next = setPanel(board, panelKey, panel);
    onChange(place && Object.keys(at).length > 0 ? moveItem(next, place.section, place.index, at) : next);
  };
  return (
    <Dialog title="Edit panel" onClose={onClose} class="wide">
      <form class="editpanel" onSubmit={(event) => { event.preventDefault(); done(); }}>
        <div class="preview"><PanelView panel={panel} env={env} name="Preview" /></div>
        <div class="fields">
          <label class="field">Title<input class="input" value={display?.name ?? ""} onInput={(event) => put({ display: { ...display, name: event.currentTarget.value } })} /></label>
          <label class="field">Description<input class="input" value={display?.description ?? ""} onInput={(event) => put({ display: { ...display, description: event.currentTarget.value || undefined } })} /></label>
          <div class="row">
            <label class="field">Kind<select class="input" value={plugin.kind} onChange={(event) => put({ plugin: { ...plugin, kind: event.currentTarget.value } })}>
              {!KINDS[plugin.kind] && <option value={plugin.kind}>{plugin.kind}</option>}
              {Object.entries(KINDS).map(([kind, { name }]) => <option key={kind} value={kind}>{name}</option>)}
            </select></label>
            {plugin.kind !== "Markdown" && <label class="field">Unit<select class="input" value={unitOf(spec, plugin.kind)} onChange={(event) => putSpec(withUnit(spec, plugin.kind, event.currentTarget.value))}>
              {[...new Set([unitOf(spec, plugin.kind), ...UNITS])].map((unit) => <option key={unit}>{unit}</option>)}
            </select></label>}
            {/Stat|Gauge|Bar|Pie/.test(plugin.kind) && <label class="field">Value<select class="input" value={textOf(spec, "calculation") ?? "last-number"} onChange={(event) => putSpec({ ...spec, calculation: event.currentTarget.value })}>
              {CALCULATIONS.map((how) => <option key={how} value={how}>{calcName[how]}</option>)}
            </select></label>}
          </div>
          {plugin.kind === "Markdown" && <label class="field">Text<textarea class="input mono" rows={8} value={textOf(spec, "text") ?? ""} onInput={(event) => putSpec({ ...spec, text: event.currentTarget.value })} /></label>}
          {plugin.kind !== "Markdown" && queries.map((query, i) => <QueryFields key={i} query={query} number={i} onChange={(next) => putQuery(i, next)} />)}
          {plugin.kind !== "Markdown" && <button type="button" class="btn small" onClick={() => put({ queries: [...queries, { kind: "TimeSeriesQuery", spec: { plugin: { kind: "PrometheusTimeSeriesQuery", spec: { query: "" } } } }] })}>Add a query</button>}
          {place && (
            <fieldset class="row">
              <legend class="muted">Place, in 24 columns</legend>
              {(["x", "y", "width", "height"] as const).map((key) => (
                <label class="field" key={key}>{key}<input class="input number" type="number" min={0} max={key === "x" || key === "width" ? 24 : 10000} value={at[key] ?? place.item[key]} onInput={(event) => setAt({ ...at, [key]: event.currentTarget.valueAsNumber || 0 })} /></label>
              ))}
            </fieldset>
          )}
          <span class="row"><button class="btn primary">Done</button><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
        </div>
      </form>
    </Dialog>
  );
}

function QueryFields({ query, number, onChange }: { query: Query; number: number; onChange: (query: Query | null) => void }) {
  const { kind, spec = {} } = query.spec.plugin;
  const put = (next: Tree) => onChange({ ...query, spec: { ...query.spec, plugin: { ...query.spec.plugin, spec: { ...spec, ...next } } } });
  const letter = String.fromCharCode(65 + (number % 26));
  return (
    <fieldset class="queryfields">
      <legend class="row">
        <span>Query {letter}</span>
        <select class="input" aria-label={`Language of query ${letter}`} value={kind} onChange={(event) => onChange({ ...query, kind: QUERY_KIND[event.currentTarget.value] ?? query.kind, spec: { ...query.spec, plugin: { ...query.spec.plugin, kind: event.currentTarget.value } } })}>
          {!QUERIES[kind] && <option value={kind}>{kind}</option>}
          {Object.entries(QUERIES).map(([value, name]) => <option key={value} value={value}>{name}</option>)}
        </select>
        <button type="button" class="btn plain small" aria-label={`Remove query ${letter}`} onClick={() => onChange(null)}>Remove</button>
      </legend>
      <textarea class="input mono" rows={3} aria-label={`Text of query ${letter}`} spellcheck={false} value={textOf(spec, "query") ?? ""} onInput={(event) => put({ query: event.currentTarget.value })} />
      {kind === "PrometheusTimeSeriesQuery" && <label class="field">Name of its series<input class="input mono" placeholder="{{service}}" value={textOf(spec, "seriesNameFormat") ?? ""} onInput={(event) => put({ seriesNameFormat: event.currentTarget.value })} /></label>}
    </fieldset>
  );
}
