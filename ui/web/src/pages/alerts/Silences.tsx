// Silences: what is kept quiet, by whom, why and until when; an end to it with one press.
import { useState } from "preact/hooks";
import { ask, write } from "../../lib/api";
import { asError, useLoad } from "../../lib/load";
import { ago, formatTime } from "../../lib/time";
import { Act } from "../../ui/act";
import { Badge, Empty, ErrorBox } from "../../ui/parts";
import { matcherText, type Silence } from "./model";
import { SilenceForm } from "./SilenceForm";

const ORDER = { active: 0, pending: 1, expired: 2 };

export function Silences({ at }: { at: string }) {
  const { data, error, reload } = useLoad(at, async (signal) => (await ask<Silence[]>("/api/v2/silences", {}, signal)).data);
  const [failed, setFailed] = useState<Error | null>(null);
  const [again, setAgain] = useState<Silence | null>(null);
  const list = [...(data ?? [])].sort((a, b) => ORDER[a.status.state] - ORDER[b.status.state] || Date.parse(a.endsAt) - Date.parse(b.endsAt));
  const expire = async (silence: Silence) => {
    try {
      await write("DELETE", `/api/v2/silence/${silence.id}`);
      setFailed(null);
      reload();
    } catch (e) {
      setFailed(asError(e));
    }
  };
  return (
    <section class="panel" aria-label="Silences">
      <header><h2>{list.filter((s) => s.status.state === "active").length} active</h2><span class="muted">silences survive restarts; amtool and Grafana see the same ones</span></header>
      {(error ?? failed) && <ErrorBox error={(error ?? failed)!} retry={reload} />}
      {list.length > 0 ? (
        <div class="scroll-x" tabIndex={0}>
          <table class="table">
            <thead><tr><th>State</th><th>Quiet are alerts with</th><th>Why</th><th>By</th><th>Until</th><th><span class="sr">Actions</span></th></tr></thead>
            <tbody>
              {list.map((silence) => (
                <tr key={silence.id}>
                  <td><Badge state={silence.status.state === "active" ? "info" : "none"}>{silence.status.state}</Badge></td>
                  <td><code class="data">{silence.matchers.map(matcherText).join(", ")}</code></td>
                  <td class="data">{silence.comment}</td>
                  <td class="data">{silence.createdBy}</td>
                  <td title={formatTime(Date.parse(silence.endsAt))}>{ago(Date.parse(silence.endsAt))}</td>
                  <td class="num">
                    {silence.status.state === "expired"
                      ? <Act role_="editor" class="btn small" onClick={() => setAgain(silence)}>Again…</Act>
                      : <Act role_="editor" class="btn small" onClick={() => expire(silence)}>Expire</Act>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : data ? (
        <Empty title="Nothing is silenced."><p>A silence keeps pages back while somebody works on their cause. Press Silence… above, or <kbd>s</kbd> on an alert.</p></Empty>
      ) : <div class="placeholder" />}
      {again && <SilenceForm matchers={again.matchers.map(matcherText).join(", ")} comment={again.comment} onClose={() => (setAgain(null), reload())} />}
    </section>
  );
}
