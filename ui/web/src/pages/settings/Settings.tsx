// The reader's own preferences; what the server was told, with where each setting came from; who may do
// what.
import { useLoad } from "../../lib/load";
import { href, param, setParams } from "../../lib/router";
import { theme, type Theme } from "../../lib/theme";
import { isZone, refreshEvery, zone } from "../../lib/time";
import { serverStatus } from "../../shell/server";
import { lazy } from "../../ui/lazy";
import { Empty, ErrorBox, Segmented } from "../../ui/parts";
import "./settings.css";

const THEMES = [{ value: "auto", label: "As the system" }, { value: "light", label: "Light" }, { value: "dark", label: "Dark" }] as const;
const EVERY = [["0", "off"], ["5", "5 s"], ["10", "10 s"], ["30", "30 s"], ["60", "1 min"], ["300", "5 min"]].map(([value, label]) => ({ value, label }));

const PARTS = [{ value: "own", label: "Yours and the server's" }, { value: "users", label: "Users" }, { value: "keys", label: "API keys" }, { value: "audit", label: "Audit" }] as const;
type Shown = (typeof PARTS)[number]["value"];

const Access = lazy(() => import("./access/Access").then((m) => m.Access));

export default function Settings() {
  const part = PARTS.find(({ value }) => value === param("part"))?.value ?? "own";
  return (
    <div class="page settings">
      <span><Segmented<Shown> label="What to show" value={part} choices={PARTS} onChange={(value) => setParams({ part: value === "own" ? null : value, q: null })} /></span>
      {part === "own" ? <Own /> : <Access key={part} part={part} />}
    </div>
  );
}

function Own() {
  const { data, error, reload } = useLoad("status", serverStatus);
  return (
    <>
      <section class="panel" aria-label="Yours">
        <header><h2>Yours</h2><span class="muted">kept in this browser, in no link</span></header>
        <div class="body prefs">
          <span>Theme</span><Segmented<Theme> label="Theme" value={theme.value} choices={THEMES} onChange={(value) => (theme.value = value)} />
          <label for="zone">Time zone</label>
          <input id="zone" class="input" list="zones" value={zone.value} onChange={(event) => isZone(event.currentTarget.value) && (zone.value = event.currentTarget.value)} />
          <datalist id="zones"><option value="browser" /><option value="UTC" />{Intl.supportedValuesOf("timeZone").map((name) => <option key={name} value={name} />)}</datalist>
          <span>Refresh</span><Segmented label="Refresh" value={String(refreshEvery.value)} choices={EVERY} onChange={(value) => (refreshEvery.value = Number(value))} />
        </div>
      </section>
      <section class="panel" aria-label="The server's">
        <header><h2>The server's</h2><span class="muted">what differs from the defaults, and who said so</span></header>
        {error && <ErrorBox error={error} retry={reload} />}
        {data && (Object.keys(data.settings).length === 0 ? <Empty title="Everything is at its default."><p>Nothing had to be set. <code>tarn config reference</code> lists what can be.</p></Empty> : (
          <div class="scroll-x" tabIndex={0}>
            <table class="table">
              <thead><tr><th>Setting</th><th>Value</th><th>From</th></tr></thead>
              <tbody>
                {Object.entries(data.settings).sort().map(([name, text]) => {
                  const found = /^(.*) \(([^()]*)\)$/s.exec(text);
                  return <tr key={name}><td class="mono data">{name}</td><td class="mono data">{found?.[1] ?? text}</td><td class="muted data">{found?.[2] ?? ""}</td></tr>;
                })}
              </tbody>
            </table>
          </div>
        ))}
        <p class="body muted">Settings come from <code>tarn.yaml</code>, the environment (<code>TARN_SECTION__KEY</code>) and flags; <code>tarn config reference</code> lists all of them. How the server is: <a href={href("/status")}>Status</a>.</p>
      </section>
    </>
  );
}
