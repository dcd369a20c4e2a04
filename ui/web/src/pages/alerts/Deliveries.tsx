// Who was told what, and what they answered; what was given up can be sent again.
import { useState } from "preact/hooks";
import { ask, send } from "../../lib/api";
import { asError, useLoad } from "../../lib/load";
import { ago, formatTime } from "../../lib/time";
import { formatNs } from "../../lib/units";
import { Act } from "../../ui/act";
import { Badge, Empty, ErrorBox, type State } from "../../ui/parts";
import { loadDeliveries, type DeadLetter, type Delivery } from "./fetch";
import { aboutOf } from "./model";

const SHOWN = 200;
const STATE: Record<Delivery["state"], { state: State; word: string }> = {
  acked: { state: "ok", word: "delivered" },
  queued: { state: "warn", word: "waits" },
  sending: { state: "info", word: "on its way" },
  superseded: { state: "none", word: "overtaken" },
  dead: { state: "err", word: "given up" },
};

export function Deliveries({ at }: { at: string }) {
  const { data, error, reload } = useLoad(at, async (signal) => {
    const [deliveries, dead] = await Promise.all([loadDeliveries(SHOWN, signal), ask<{ dead_letters: DeadLetter[] }>("/api/v1/alerting/dead_letters", {}, signal)]);
    return { deliveries, dead: dead.data.dead_letters };
  });
  return (
    <>
      {error && <ErrorBox error={error} retry={reload} />}
      {data && data.dead.length > 0 && <DeadLetters letters={data.dead} reload={reload} />}
      <section class="panel" aria-label="Deliveries">
        <header><h2>Deliveries</h2><span class="muted">{data ? `the last ${data.deliveries.length}, newest first` : "…"}</span></header>
        {data && data.deliveries.length === 0 && <Empty title="Nothing was sent since Tarn started."><p>Receivers and routes stand in <code>alerting.alertmanager_config</code>; without it alerts are shown here and told nobody.</p></Empty>}
        {data && data.deliveries.length > 0 && <DeliveryTable list={data.deliveries} />}
      </section>
    </>
  );
}

export function DeliveryTable({ list }: { list: readonly Delivery[] }) {
  return (
    <div class="scroll-x" tabIndex={0}>
      <table class="table deliveries">
        <thead><tr><th>When</th><th>Receiver</th><th>About</th><th>Why</th><th>Result</th><th>The receiver said</th></tr></thead>
        <tbody>{list.map((one) => <DeliveryRow key={one.id} one={one} />)}</tbody>
      </table>
    </div>
  );
}

function DeliveryRow({ one }: { one: Delivery }) {
  const [open, setOpen] = useState(false);
  const last = one.attempts[one.attempts.length - 1];
  const counts = [one.firing && `${one.firing} firing`, one.resolved && `${one.resolved} over`].filter(Boolean).join(", ");
  return (
    <>
      <tr>
        <td title={formatTime(one.created_ms, true)}>{ago(one.created_ms)}</td>
        <td><span class="data">{one.receiver}</span> <span class="muted">{one.kind}</span></td>
        <td><code class="data">{aboutOf(one.group_key)}</code> <span class="muted">{counts}</span></td>
        <td class="muted">{one.reason}</td>
        <td><Badge state={STATE[one.state].state}>{STATE[one.state].word}</Badge></td>
        <td>
          <button class="btn small plain said" aria-expanded={open} disabled={one.attempts.length === 0} onClick={() => setOpen(!open)}>
            {last ? `${last.status ?? ""} ${last.said || last.result}`.trim() : "–"}
            {last && <span class="muted">{formatNs(last.took_ms * 1e6)}{one.tried > 1 ? ` · ${one.tried} tries` : ""}</span>}
          </button>
        </td>
      </tr>
      {open && (
        <tr class="attempts">
          <td colSpan={6}>
            <ol>
              {one.attempts.map((attempt, i) => (
                <li key={i}>
                  <span class="mono">{formatTime(attempt.at_ms, true)}</span> <Badge state={attempt.result === "delivered" ? "ok" : attempt.result === "transient" ? "warn" : "err"}>{attempt.result}</Badge>{" "}
                  <code class="data">{attempt.status ?? ""} {attempt.said}</code> <span class="muted">{formatNs(attempt.took_ms * 1e6)}</span>
                  {attempt.template_errors?.map((text) => <div class="bad data" key={text}>template: {text}</div>)}
                </li>
              ))}
            </ol>
          </td>
        </tr>
      )}
    </>
  );
}

function DeadLetters({ letters, reload }: { letters: readonly DeadLetter[]; reload: () => void }) {
  const [failed, setFailed] = useState<Error | null>(null);
  const replay = async (id: string) => {
    try {
      await send("/api/v1/alerting/replay", { id }, { method: "POST" });
      setFailed(null);
      reload();
    } catch (e) {
      setFailed(asError(e));
    }
  };
  return (
    <section class="panel dead" aria-label="Given up">
      <header><h2>{letters.length} given up</h2><span class="muted">nobody was told; mend the receiver, then send again</span></header>
      {failed && <ErrorBox error={failed} />}
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Given up</th><th>Receiver</th><th>About</th><th>Why</th><th><span class="sr">Actions</span></th></tr></thead>
          <tbody>
            {letters.map((one) => (
              <tr key={one.intent.id}>
                <td title={formatTime(one.at_ms, true)}>{ago(one.at_ms)}</td>
                <td class="data">{one.intent.flush.receiver} <span class="muted">{one.intent.flush.integration?.[0]}</span></td>
                <td><code class="data">{aboutOf(one.intent.flush.group_key)}</code></td>
                <td class="data"><span class="bad">{one.reason}</span> {one.message}</td>
                <td class="num"><Act role_="editor" class="btn small" onClick={() => replay(one.intent.id)}>Send again</Act></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
