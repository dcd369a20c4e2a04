// Send your data: ready texts with this server's address, and a light that comes on at the first row of a
// source that was not there before.
import { useEffect, useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { asError, useLoad } from "../../lib/load";
import { href, param, setParams } from "../../lib/router";
import { ago } from "../../lib/time";
import { formatCount } from "../../lib/units";
import { serverStatus } from "../../shell/server";
import { me, readsServer, tenantNow, type Role } from "../../lib/session";
import { Act } from "../../ui/act";
import { Icon } from "../../ui/icons";
import { Badge, Copy, ErrorBox, Segmented } from "../../ui/parts";
import { createKey } from "../settings/access/fetch";
import { addressOf, keyWord, SNIPPETS, type Addresses } from "./snippets";
import "./send.css";

interface Source {
  signal: "metrics" | "logs" | "traces";
  name: string;
  first_seen_ms: number;
  last_seen_ms: number;
  rows: number;
  own?: boolean;
}

const EVERY_MS = 1500;
const KEY_DAYS = 365;

async function addresses(signal: AbortSignal): Promise<Addresses> {
  // Whoever may not see the settings is told the usual ports.
  const may = await readsServer();
  const settings: Record<string, string> = may ? (await serverStatus(signal)).settings : {};
  const tls = may ? "listen.tls.certificate" in settings : location.protocol === "https:";
  const scheme = tls ? "https" : "http";
  const host = location.hostname;
  const origin = new URL(document.baseURI).href;
  return { grpc: addressOf(settings["listen.otlp_grpc"], host, "4317"), http: addressOf(settings["listen.otlp_http"], host, "4318"), all: location.host, origin, scheme };
}

export default function Send() {
  const chosen = SNIPPETS.find((one) => one.id === param("with")) ?? SNIPPETS[0];
  const { data: at } = useLoad("addresses", addresses);
  const [tokens, setTokens] = useState<Record<string, string>>({});
  const asks = me.value?.login ?? false;
  const role = chosen.role ?? "ingest";
  const text = at ? chosen.text({ ...at, key: asks ? tokens[role] ?? keyWord(chosen) : "" }) : "…";
  return (
    <div class="page send">
      <section class="panel" aria-label="How to send">
        <header><h2>Send your data</h2><span class="muted">{asks ? "Senders show an API key." : "No account, no key, no setting: on this machine it just works."}</span></header>
        <div class="body">
          <Segmented label="Sender" value={chosen.id} choices={SNIPPETS.map(({ id, title }) => ({ value: id, label: title }))} onChange={(id) => setParams({ with: id }, { replace: true })} />
          <div class="snippet">
            <pre tabIndex={0} aria-label={`${chosen.title}, ready to copy`}>{text}</pre>
            <Copy text={text} />
          </div>
          {asks && <KeyHere role={role} token={tokens[role]} onMade={(token) => setTokens({ ...tokens, [role]: token })} />}
          {chosen.note && <p class="muted">{chosen.note}</p>}
        </div>
      </section>
      <Sources />
      <section class="panel" aria-label="See it full">
        <header><h2>See every page full first</h2></header>
        <div class="body snippet">
          <pre>tarn demo</pre>
          <Copy text="tarn demo" />
        </div>
        <p class="body muted">Sends a small shop of ten services with a deploy that goes wrong, and plays Slack and PagerDuty.</p>
      </section>
    </div>
  );
}

/** Makes the key that the text above wants, for the tenant that is open. */
function KeyHere({ role, token, onMade }: { role: Role; token?: string; onMade: (token: string) => void }) {
  const [error, setError] = useState<Error | null>(null);
  const expires = () => new Date(Date.now() + KEY_DAYS * 86_400_000).toISOString();
  const make = () => createKey(`${role}-${new Date().toISOString().slice(0, 10)}`, [{ role, tenants: [tenantNow()] }], expires()).then(({ token: made }) => (setError(null), onMade(made)), (why: unknown) => setError(asError(why)));
  return (
    <>
      <div class="row keyhere">
        {token ? <span role="status" class="muted"><Badge state="ok">made</Badge> The key stands in the text. It is shown only now, and good for a year; <a href={href("/settings", { part: "keys" })}>API keys</a> lists it.</span> : (
          <>
            <Act role_="admin" where="server" class="btn small" onClick={() => void make()}><Icon name="key" /> Make {role === "ingest" ? "an ingest" : "a viewer"} key</Act>
            <span class="muted">for tenant {tenantNow()}; it goes into the text above. Whoever administers access can make one.</span>
          </>
        )}
      </div>
      {error && <ErrorBox error={error} />}
    </>
  );
}

/** What arrives, newest source first. */
function Sources() {
  const [opened] = useState(Date.now());
  const [list, setList] = useState<Source[] | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        if (!document.hidden) {
          const { data } = await ask<{ sources: Source[] }>("/api/v1/sources", {}, abort.signal);
          setList(data.sources.filter((source) => !source.own).sort((a, b) => b.first_seen_ms - a.first_seen_ms));
          setFailed(false);
        }
      } catch {
        if (!abort.signal.aborted) setFailed(true);
      }
      if (!abort.signal.aborted) timer = window.setTimeout(look, EVERY_MS);
    };
    look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, []);
  const fresh = list?.filter((source) => source.first_seen_ms >= opened - 2000) ?? [];
  return (
    <section class={`panel arrivals ${fresh.length > 0 ? "lit" : ""}`} aria-label="What arrives" aria-live="polite">
      <header>
        <h2><i class="light" aria-hidden="true" /> {fresh.length > 0 ? "The first row arrived." : failed ? "The server does not answer." : list?.length ? "Waiting for a new source" : "Waiting for the first row"}</h2>
        <span class="muted">{list ? `${list.length} source${list.length === 1 ? "" : "s"} so far` : ""}</span>
      </header>
      {list && list.length > 0 && (
        <div class="scroll-x" tabIndex={0}>
          <table class="table">
            <thead><tr><th>Source</th><th>Signal</th><th class="num">Rows</th><th>First</th><th>Last</th><th><span class="sr">Look</span></th></tr></thead>
            <tbody>
              {list.slice(0, 50).map((source) => (
                <tr key={`${source.signal} ${source.name}`}>
                  <td class="data"><b>{source.name || "(no name: set service.name)"}</b> {fresh.includes(source) && <Badge state="ok">new</Badge>}</td>
                  <td>{source.signal}</td>
                  <td class="num">{formatCount(source.rows)}</td>
                  <td>{ago(source.first_seen_ms)}</td>
                  <td>{ago(source.last_seen_ms)}</td>
                  <td><a href={lookAt(source)}>look</a></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function lookAt({ signal, name }: Source): string {
  const quoted = JSON.stringify(name);
  if (signal === "logs") return href("/logs", { q: `service:${quoted}` });
  if (signal === "traces") return href("/traces", { q: `service:${quoted}` });
  return href("/metrics", { q: `count by (__name__) ({job=${quoted}})`, view: "table" });
}
