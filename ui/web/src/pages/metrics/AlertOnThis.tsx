// The question as an alerting rule, ready for a rule file.
import { useState } from "preact/hooks";
import { href } from "../../lib/router";
import { Copy, Dialog } from "../../ui/parts";
import { metricIn } from "./names";

/** Writes a rule of Prometheus' format; texts are quoted as JSON, which YAML reads. */
export function ruleOf(query: string, name: string, op: string, threshold: number, hold: string): string {
  const expr = query.replace(/\$\{?__(rate_interval|interval|auto|range)\}?/g, "5m");
  return `groups:
- name: ${JSON.stringify(name.toLowerCase())}
  rules:
  - alert: ${JSON.stringify(name)}
    expr: ${JSON.stringify(`(${expr}) ${op} ${threshold}`)}
    for: ${hold}
    labels: { severity: page }
    annotations: { summary: ${JSON.stringify(`${name}: {{ $value | humanize }}`)} }
`;
}

const camel = (text: string) => text.replace(/(^|[^a-zA-Z0-9]+)([a-zA-Z0-9])/g, (_all, _gap, first: string) => first.toUpperCase());

export function AlertOnThis({ query }: { query: string }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const [op, setOp] = useState(">");
  const [threshold, setThreshold] = useState("0");
  const [hold, setHold] = useState("1m");
  const title = name || `${camel(metricIn(query) ?? "query")}High`;
  const text = ruleOf(query, title, op, Number(threshold) || 0, hold);
  return (
    <>
      <button class="btn small" onClick={() => setOpen(true)}>Alert on this</button>
      {open && (
        <Dialog title="Alert on this" onClose={() => setOpen(false)}>
          <div class="keys">
            <h2>Alert on this</h2>
            <div class="row">
              <label class="field">Name<input class="input" value={title} onInput={(e) => setName(e.currentTarget.value)} /></label>
              <label class="field">when it is<select class="input" value={op} onChange={(e) => setOp(e.currentTarget.value)}>{[">", "<", ">=", "<=", "==", "!="].map((one) => <option key={one}>{one}</option>)}</select></label>
              <label class="field">this<input class="input" value={threshold} inputMode="decimal" onInput={(e) => setThreshold(e.currentTarget.value)} /></label>
              <label class="field">for<input class="input" value={hold} onInput={(e) => setHold(e.currentTarget.value)} /></label>
            </div>
            <pre class="panel body">{text}</pre>
            <p class="muted">Put it into a file of <code>alerting.rule_files</code>; Tarn takes it up in seconds, and <a href={href("/alerts")}>Alerts</a> shows it.</p>
            <span class="row"><Copy small={false} label="Copy the rule" text={text} /><button class="btn" onClick={() => setOpen(false)}>Close</button></span>
          </div>
        </Dialog>
      )}
    </>
  );
}
