// The reader's own preferences, and what the server was told, with where each setting came from.
import { useLoad } from "../../lib/load";
import { href } from "../../lib/router";
import { theme, type Theme } from "../../lib/theme";
import { isZone, refreshEvery, zone } from "../../lib/time";
import { serverStatus } from "../../shell/server";
import { Empty, ErrorBox, Segmented } from "../../ui/parts";
import "./settings.css";

const THEMES = [{ value: "auto", label: "As the system" }, { value: "light", label: "Light" }, { value: "dark", label: "Dark" }] as const;
const EVERY = [["0", "off"], ["5", "5 s"], ["10", "10 s"], ["30", "30 s"], ["60", "1 min"], ["300", "5 min"]].map(([value, label]) => ({ value, label }));

export default function Settings() {
  const { data, error, reload } = useLoad("status", serverStatus);
  return (
    <div class="page settings">
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
    </div>
  );
}
