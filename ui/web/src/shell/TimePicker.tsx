// The range: ready ones, two expressions, the reader's zone.
import { useState } from "preact/hooks";
import { formatTime, from, iso, isZone, parseTime, rangeLabel, setRange, shift, to, zone, zoomOut } from "../lib/time";
import { Icon } from "../ui/icons";
import { Popover, Segmented } from "../ui/parts";

const READY = ["5m", "15m", "1h", "4h", "12h", "24h", "2d", "7d", "30d"];

export function TimePicker() {
  return (
    <Popover label={`Time range: ${rangeLabel()}`} icon="clock" text={rangeLabel()}>
      {(close) => <Panel close={close} />}
    </Popover>
  );
}

/** Shows an end as it is kept: relative, or in the reader's zone. */
function shown(text: string): string {
  if (text.startsWith("now")) return text;
  const ms = parseTime(text, Date.now());
  return ms === null ? text : formatTime(ms);
}

function Panel({ close }: { close: () => void }) {
  const [begin, setBegin] = useState(shown(from.value));
  const [end, setEnd] = useState(shown(to.value));
  const now = Date.now();
  const [startMs, endMs] = [parseTime(begin, now), parseTime(end, now)];
  const wrong = startMs === null || endMs === null ? "Write now-90m, 2026-11-21 14:30, or seconds since 1970." : startMs >= endMs ? "The end is not after the start." : "";
  const keep = (text: string, ms: number) => (text.trim().startsWith("now") ? text.trim() : iso(ms));
  const apply = (event: Event) => {
    event.preventDefault();
    if (wrong || startMs === null || endMs === null) return;
    setRange(keep(begin, startMs), keep(end, endMs));
    close();
  };
  const zoneChoice = zone.value === "browser" || zone.value === "UTC" ? zone.value : "other";
  return (
    <form class="picker" onSubmit={apply}>
      <div class="menu">
        {READY.map((length) => (
          <button key={length} type="button" aria-current={from.value === `now-${length}` && to.value === "now"} onClick={() => { setRange(`now-${length}`, "now"); close(); }}>
            Last {length}
          </button>
        ))}
      </div>
      <div style={{ display: "grid", gap: "8px", alignContent: "start" }}>
        <label class="field">From<input class="input mono" value={begin} onInput={(e) => setBegin(e.currentTarget.value)} spellcheck={false} /></label>
        <label class="field">To<input class="input mono" value={end} onInput={(e) => setEnd(e.currentTarget.value)} spellcheck={false} /></label>
        <span class="statsline" role="status">{wrong || `${formatTime(startMs!)} – ${formatTime(endMs!)}`}</span>
        <button class="btn primary" disabled={wrong !== ""}>Apply</button>
        <Segmented label="Zone" value={zoneChoice} choices={[{ value: "browser", label: "Local" }, { value: "UTC", label: "UTC" }, { value: "other", label: "Other" }]} onChange={(value) => (zone.value = value === "other" ? "Europe/Berlin" : value)} />
        {zoneChoice === "other" && (
          <label class="field">IANA zone<input class="input" value={zone.value} onChange={(e) => isZone(e.currentTarget.value) && (zone.value = e.currentTarget.value)} /></label>
        )}
        <div class="row">
          <button type="button" class="btn small" onClick={() => shift(-1)} aria-label="Earlier"><Icon name="left" /></button>
          <button type="button" class="btn small" onClick={() => shift(1)} aria-label="Later"><Icon name="right" /></button>
          <button type="button" class="btn small" onClick={zoomOut}><Icon name="zoomout" /> Zoom out</button>
        </div>
      </div>
    </form>
  );
}
