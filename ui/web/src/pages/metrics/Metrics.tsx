// Metrics: the list on the left, small multiples before any question, then editor, chart, table, and what
// changed most.
import { useEffect, useState } from "preact/hooks";
import { Editor } from "../../editor/Editor";
import { param, setParams } from "../../lib/router";
import { Guard } from "../../ui/guard";
import { Icon } from "../../ui/icons";
import { metricIn, questionOf } from "./names";
import { Multiples } from "./Multiples";
import { Picker } from "./Picker";
import { Result } from "./Result";
import "./metrics.css";

export default function Metrics() {
  const query = param("q");
  const filter = param("filter");
  const [draft, setDraft] = useState(query);
  const [listOpen, setListOpen] = useState(false);
  useEffect(() => setDraft(query), [query]);
  const run = (text: string) => setParams({ q: text.trim() });
  return (
    <div class={`metrics ${listOpen ? "listed" : ""}`}>
      <Picker
        current={metricIn(query)} filter={filter}
        onFilter={(text) => setParams({ filter: text }, { replace: true })}
        onPick={(metric) => { setListOpen(false); setParams({ q: questionOf(metric).query, view: metric.kind === "histogram" && param("view") === "heatmap" ? "heatmap" : null }); }}
      />
      <div class="mmain">
        <div class="mask">
          <button class="btn mlistbtn" aria-expanded={listOpen} aria-label="Metrics" onClick={() => setListOpen(!listOpen)}><Icon name="menu" /></button>
          <Editor language="promql" label="PromQL" value={draft} placeholder="A PromQL expression, or choose a metric" onChange={setDraft} onRun={run} />
          <button class="btn primary" onClick={() => run(draft)}>Run <kbd>↵</kbd></button>
        </div>
        <Guard reset={query}>
          {query ? <Result query={query} /> : <Multiples filter={filter} />}
        </Guard>
      </div>
    </div>
  );
}
