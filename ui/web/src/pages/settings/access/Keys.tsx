// API keys of programs: made, shown once with what to paste, listed with when they were used, revoked.
import { useState } from "preact/hooks";
import { asError, useLoad } from "../../../lib/load";
import { param } from "../../../lib/router";
import { ago, formatTime } from "../../../lib/time";
import { Act } from "../../../ui/act";
import { Badge, Copy, Dialog, Empty, ErrorBox, Segmented } from "../../../ui/parts";
import { createKey, ending, grantText, listKeys, revokeKey, type Key } from "./fetch";
import { GrantFields, toGrants, type Draft } from "./GrantFields";
import { Sure } from "./Users";

const DAY_MS = 86_400_000;
const LIVES = [{ days: 30, label: "30 days" }, { days: 90, label: "90 days" }, { days: 365, label: "a year" }, { days: 0, label: "no end" }];

interface Made {
  key: Key;
  token: string;
}

export function Keys() {
  const { data, error, reload } = useLoad("keys", listKeys);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const [revoking, setRevoking] = useState<Key | null>(null);
  return (
    <section class="panel" aria-label="API keys">
      <header><h2>API keys</h2><span class="muted">of programs: collectors, Prometheus, Grafana, scripts</span><span class="grow" /><Act role_="admin" where="server" class="btn small" onClick={() => setAdding(true)}>Make a key…</Act></header>
      {error && <ErrorBox error={error} retry={reload} />}
      {data?.length === 0 && <Empty title="There are no keys."><p>A program shows one as <code>Authorization: Bearer …</code>. Of the token only a hash is kept.</p></Empty>}
      {data && data.length > 0 && (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="List of keys">
          <table class="table">
            <thead><tr><th>Name</th><th>Id</th><th>May</th><th>Last used</th><th>Ends</th><th>Made</th><th><span class="sr">Do</span></th></tr></thead>
            <tbody>
              {data.map((key) => (
                <tr key={key.id}>
                  <td class="data"><b>{key.name}</b></td>
                  <td class="mono data">{key.id}</td>
                  <td class="data">{key.grants.map(grantText).join("; ")}</td>
                  <td class="muted" title={key.last_used ? formatTime(Date.parse(key.last_used)) : "Since this server started"}>{key.last_used ? ago(Date.parse(key.last_used)) : "not seen"}</td>
                  <td title={key.expires ? formatTime(Date.parse(key.expires)) : undefined}><Ends expires={key.expires} /></td>
                  <td class="muted data">{key.origin === "file" ? "in auth.file" : `${key.created ? ago(Date.parse(key.created)) : ""} by ${key.author ?? "?"}`}</td>
                  <td class="num do">{key.origin === "stored" && <Act role_="admin" where="server" class="btn small plain" onClick={() => setRevoking(key)}>Revoke…</Act>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {adding && <MakeKey onClose={() => setAdding(false)} onMade={(key) => { setAdding(false); setMade(key); reload(); }} />}
      {made && <ShowKey made={made} onClose={() => setMade(null)} />}
      {revoking && <Sure title={`Revoke ${revoking.name}?`} word="Revoke" work={async () => void (await revokeKey(revoking.id))} onClose={() => setRevoking(null)} onDone={() => { setRevoking(null); reload(); }}>Whatever shows the key <code>{revoking.id}</code> is refused from now on: here at once, by other servers of this bucket within seconds.{revoking.last_used ? ` It was last used ${ago(Date.parse(revoking.last_used))}.` : ""}</Sure>}
    </section>
  );
}

function Ends({ expires }: { expires: string | null }) {
  const how = ending(expires);
  if (how === "never") return <span class="muted">never</span>;
  const text = ago(Date.parse(expires!));
  if (how === "over") return <Badge state="err">over</Badge>;
  return how === "soon" ? <Badge state="warn">{text}</Badge> : <span class="muted">{text}</span>;
}

function MakeKey({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
  const [name, setName] = useState("");
  const [days, setDays] = useState(365);
  const [drafts, setDrafts] = useState<Draft[]>([{ role: "ingest", tenants: param("tenant") }]);
  const [error, setError] = useState<Error | null>(null);
  const make = () => createKey(name.trim(), toGrants(drafts), days ? new Date(Date.now() + days * DAY_MS).toISOString() : null).then(onMade, (why: unknown) => setError(asError(why)));
  return (
    <Dialog title="Make a key" onClose={onClose}>
      <form class="accessdialog" onSubmit={(event) => { event.preventDefault(); void make(); }}>
        <h2>Make a key</h2>
        <label class="field">Name<input class="input" autofocus required maxLength={64} autocomplete="off" spellcheck={false} placeholder="collector, grafana, ci" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <GrantFields drafts={drafts} onChange={setDrafts} />
        <div class="row"><span class="muted">Good for</span><Segmented label="Good for" value={String(days)} choices={LIVES.map((life) => ({ value: String(life.days), label: life.label }))} onChange={(value) => setDays(Number(value))} /></div>
        {error && <ErrorBox error={error} />}
        <span class="row"><button class="btn primary">Make it</button><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}

/** What to paste where, with the token in it. */
function uses({ key, token }: Made): { value: string; label: string; text: string }[] {
  const origin = new URL(document.baseURI).href;
  const all = [
    { role: "ingest", value: "otlp", label: "OTLP", text: `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin.replace(/\/$/, "")}\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${token}"` },
    { role: "ingest", value: "prometheus", label: "Prometheus", text: `remote_write:\n- url: ${origin}api/v1/write\n  authorization: { credentials: "${token}" }` },
    { role: "viewer", value: "grafana", label: "Grafana", text: `apiVersion: 1\ndatasources:\n- name: Tarn\n  type: prometheus\n  url: ${origin}\n  jsonData: { httpHeaderName1: Authorization }\n  secureJsonData: { httpHeaderValue1: "Bearer ${token}" }` },
    { role: "", value: "curl", label: "curl", text: `curl -H 'Authorization: Bearer ${token}' '${origin}api/v1/query?query=up'` },
  ];
  const roles = key.grants.map((grant) => grant.role);
  const may = (role: string) => role === "" || roles.includes("admin") || roles.some((one) => one === role || (role === "viewer" && one === "editor"));
  return all.filter(({ role, value }) => may(role) && (value !== "curl" || may("viewer")));
}

function ShowKey({ made, onClose }: { made: Made; onClose: () => void }) {
  const choices = uses(made);
  const [use, setUse] = useState(choices[0].value);
  const text = choices.find((one) => one.value === use)!.text;
  return (
    <Dialog title={`The key ${made.key.name}`} onClose={onClose} class="wide">
      <div class="accessdialog">
        <h2 class="data">The key {made.key.name}</h2>
        <p>This is the only time it is shown: only its hash is kept.</p>
        <pre class="secretbox" tabIndex={0} aria-label="Token">{made.token}</pre>
        <span><Copy text={made.token} label="Copy the token" small={false} /></span>
        <Segmented label="What to paste" value={use} choices={choices} onChange={setUse} />
        <pre class="secretbox" tabIndex={0} aria-label="Ready to paste">{text}</pre>
        <span class="row"><Copy text={text} label="Copy this" small={false} /><button class="btn" onClick={onClose}>Done</button></span>
      </div>
    </Dialog>
  );
}
