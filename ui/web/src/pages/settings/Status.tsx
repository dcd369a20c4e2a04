// How the server is: ready or why not, memory, processor, nodes, what is wrong with rule files.
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { href } from "../../lib/router";
import { shortDuration, tick } from "../../lib/time";
import { formatBytes, formatRatio } from "../../lib/units";
import { serverStatus } from "../../shell/server";
import { Badge, ErrorBox } from "../../ui/parts";
import "./settings.css";

interface Node {
  id: string;
  label: string;
  state: string;
  own: boolean;
  epoch: number;
}

interface Alerting {
  running: boolean;
  rules: number;
  groups: number;
  problems: number;
  last_reload_successful: boolean;
  log_broken: string | null;
}

export default function Status() {
  const status = useLoad(`status ${tick.value}`, serverStatus);
  const nodes = useLoad(`nodes ${tick.value}`, async (signal) => (await ask<{ nodes: Node[] }>("/api/v1/nodes", {}, signal)).data.nodes);
  const alerting = useLoad(`alerting ${tick.value}`, async (signal) => (await ask<Alerting>("/api/v1/alerting/status", {}, signal)).data);
  const s = status.data;
  return (
    <div class="page settings">
      {status.error && <ErrorBox error={status.error} retry={status.reload} />}
      {s && (
        <section class="panel" aria-label="Server">
          <header><h2>Tarn {s.version}</h2><span class="muted">for {shortDuration(s.uptime_seconds * 1000)}</span></header>
          <dl class="kv body">
            <dt>takes in</dt><dd>{s.ready.ingest ? <Badge state="ok">ready</Badge> : <><Badge state="err">not ready</Badge> {s.reasons.ingest}</>}</dd>
            <dt>answers</dt><dd>{s.ready.query ? <Badge state="ok">ready</Badge> : <><Badge state="err">not ready</Badge> {s.reasons.query}</>}</dd>
            <dt>memory</dt><dd>{formatBytes(s.resident_bytes)} of a budget of {formatBytes(s.memory_budget_bytes)} ({formatRatio(s.resident_bytes / s.memory_budget_bytes)})</dd>
            <dt>processor</dt><dd>{shortDuration(s.cpu_seconds * 1000)} of time so far, {formatRatio(s.cpu_seconds / Math.max(s.uptime_seconds, 1))} of one core on average</dd>
            <dt>data folder</dt><dd>{s.data}</dd>
          </dl>
        </section>
      )}
      {alerting.data && (
        <section class="panel" aria-label="Rules">
          <header>
            <h2>Rules and notifications</h2>
            {alerting.data.log_broken ? <Badge state="err">log broken</Badge> : alerting.data.problems > 0 ? <Badge state="warn">{alerting.data.problems} problems</Badge> : <Badge state="ok">{alerting.data.running ? "running" : "starting"}</Badge>}
          </header>
          <p class="body">{alerting.data.rules} rules in {alerting.data.groups} groups. {alerting.data.log_broken ?? ""} <a href={href("/alerts")}>Alerts</a></p>
        </section>
      )}
      {nodes.error && <ErrorBox error={nodes.error} retry={nodes.reload} />}
      {nodes.data && (
        <section class="panel" aria-label="Writers of this bucket">
          <header><h2>Writers of this bucket</h2></header>
          <div class="scroll-x" tabIndex={0}>
            <table class="table">
              <thead><tr><th>Name</th><th>State</th><th>Id</th></tr></thead>
              <tbody>{nodes.data.map((node) => <tr key={node.id}><td class="data">{node.label}{node.own ? " (this one)" : ""}</td><td>{node.state}</td><td class="mono data">{node.id}</td></tr>)}</tbody>
            </table>
          </div>
        </section>
      )}
      <section class="panel" aria-label="More">
        <div class="body row">
          <a class="btn" href={href("/dashboards/tarn")}>Board of Tarn itself</a>
          <a class="btn" href={href("/logs", { q: 'service:tarn level>=warn' })}>Its warnings</a>
          <a class="btn" href={href("/queries")}>Queries</a>
          <a class="btn" href="./licenses.md" data-reload>Licences</a>
          <a class="btn" href={href("/settings")}>Settings</a>
        </div>
      </section>
    </div>
  );
}
