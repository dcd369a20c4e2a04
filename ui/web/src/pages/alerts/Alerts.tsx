// Alerts: what fires, what did, what is kept quiet, who was told, and what is wrong with the rules.
import { useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { param, setParams } from "../../lib/router";
import { from, range, tick, to } from "../../lib/time";
import { Act } from "../../ui/act";
import { Badge, ErrorBox, Notices, Segmented } from "../../ui/parts";
import { AlertList } from "./AlertList";
import "./alerts.css";
import { Deliveries } from "./Deliveries";
import { loadAlerts, type Problem, type Status } from "./fetch";
import { Rules } from "./Rules";
import { Silences } from "./Silences";
import { SilenceForm } from "./SilenceForm";

type View = "alerts" | "rules" | "silences" | "deliveries";
const VIEWS: { value: View; label: string }[] = [
  { value: "alerts", label: "Alerts" },
  { value: "rules", label: "Rules" },
  { value: "silences", label: "Silences" },
  { value: "deliveries", label: "Deliveries" },
];

export default function Alerts() {
  const view = VIEWS.find((one) => one.value === param("view"))?.value ?? "alerts";
  const at = `${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const loaded = useLoad(view === "alerts" || view === "rules" ? at : null, (signal) => loadAlerts(range.value, "", signal));
  const [silencing, setSilencing] = useState<string | null>(null);
  return (
    <div class="page alerts-page">
      <div class="row">
        <Segmented label="What to show" value={view} choices={VIEWS} onChange={(value) => setParams({ view: value === "alerts" ? null : value })} />
        <span class="grow" />
        <Act role_="editor" class="btn" onClick={() => setSilencing("")}>Silence…</Act>
      </div>
      <Health at={at} />
      {loaded.error && <ErrorBox error={loaded.error} retry={loaded.reload} />}
      <Notices list={loaded.data?.warnings} />
      {view === "alerts" && <AlertList data={loaded.data} busy={loaded.loading} onSilence={setSilencing} />}
      {view === "rules" && loaded.data && <Rules groups={loaded.data.groups} />}
      {view === "silences" && <Silences at={at} />}
      {view === "deliveries" && <Deliveries at={at} />}
      {silencing !== null && <SilenceForm matchers={silencing} onClose={() => setSilencing(null)} />}
    </div>
  );
}

/** What keeps rules from running as they are written. */
function Health({ at }: { at: string }) {
  const { data } = useLoad(at, async (signal) => {
    const [status, problems] = await Promise.all([ask<Status>("/api/v1/alerting/status", {}, signal), ask<{ problems: Problem[] }>("/api/v1/alerting/problems", {}, signal)]);
    return { status: status.data, problems: problems.data.problems };
  });
  if (!data) return null;
  const { status, problems } = data;
  return (
    <>
      {status.log_broken && (
        <div class="error" role="alert">
          <span><strong>The alert log cannot be written.</strong> <span class="data">{status.log_broken}</span></span>
          <span class="muted">Pages go out, silences are refused, and a crash may double or lose what is on its way. Look at the disk below the data folder.</span>
        </div>
      )}
      {!status.running && <div class="notice info"><span>Alerting is replaying its log: states of the run before come back in a moment.</span></div>}
      {problems.length > 0 && (
        <section class="panel" aria-label="Problems of rules and routes">
          <header>
            <h2>{problems.length} problem{problems.length === 1 ? "" : "s"} in rules and routes</h2>
            <span class="muted">{status.last_reload_successful ? "they run all the same" : "what ran before runs on"}</span>
          </header>
          <ul class="problems">
            {problems.map((one, i) => (
              <li key={i}>
                <Badge state={one.warning ? "warn" : "err"}>{one.warning ? "remark" : "mistake"}</Badge>
                <code class="data">{one.line > 0 ? `${one.file}:${one.line}:${one.column}` : one.file}</code>
                <span class="data">{one.message}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
