// The head of the page: which trace, its figures, the tabs, the filters.
import { useState } from "preact/hooks";
import { param, setParams } from "../../lib/router";
import { formatTime } from "../../lib/time";
import { formatCount, formatNs } from "../../lib/units";
import { Copy, Popover, Segmented } from "../../ui/parts";
import type { Trace } from "./model";
import { TABS, tab } from "./view";

export function Head({ trace }: { trace: Trace }) {
  return (
    <div class="head">
      <div class="who">
        <h2><span class="data" style={{ color: "var(--fg)" }}>{trace.root.service || "(no service)"}</span> <span class="data">{trace.root.name}</span></h2>
        <div class="id"><span>{trace.id}</span> <Copy text={trace.id} label="" title="Copy the id" /> <span>{formatTime(trace.startMs, true)}</span></div>
      </div>
      <dl class="figures">
        <Figure name="duration" value={formatNs(trace.durationNs)} />
        <Figure name={trace.count === 1 ? "span" : "spans"} value={formatCount(trace.count)} />
        <Figure name={trace.services.length === 1 ? "service" : "services"} value={formatCount(trace.services.length)} />
        <Figure name={trace.errors === 1 ? "error" : "errors"} value={formatCount(trace.errors)} isBad={trace.errors > 0} />
      </dl>
      <Segmented label="View" value={tab()} choices={TABS} onChange={(value) => setParams({ view: value === "waterfall" ? null : value })} />
      <button class="btn" aria-pressed={param("only") === "critical"} title="Show only the critical path and errors" onClick={() => setParams({ only: param("only") ? null : "critical" })}>Critical path + errors</button>
      <Compare />
    </div>
  );
}

function Figure({ name, value, isBad }: { name: string; value: string; isBad?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={isBad ? "err" : ""}>{value}</dd>
    </div>
  );
}

function Compare() {
  const [id, setId] = useState("");
  const isId = /^[0-9a-f]{1,32}$/i.test(id.trim());
  return (
    <Popover label="Compare with another trace" text="Compare…">
      {(close) => (
        <form style={{ display: "grid", gap: "8px", width: "300px" }} onSubmit={(event) => { event.preventDefault(); if (isId) { setParams({ with: id.trim().toLowerCase() }); close(); } }}>
          <label class="field">Id of the other trace<input class="input mono" autofocus value={id} onInput={(event) => setId(event.currentTarget.value)} placeholder="4bf92f3577b34da6…" /></label>
          <button class="btn primary" disabled={!isId}>Compare</button>
          {param("with") && <button type="button" class="btn" onClick={() => { setParams({ with: null }); close(); }}>Leave the comparison</button>}
        </form>
      )}
    </Popover>
  );
}
