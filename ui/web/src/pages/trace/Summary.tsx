// Beside the waterfall while no span is chosen: where the time of the trace went, by service.
import type { Hues } from "../../lib/services";
import { href } from "../../lib/router";
import { formatCount, formatNs } from "../../lib/units";
import { rangeOf } from "./Detail";
import type { TraceLogs } from "./logs";
import { shares, type Trace } from "./model";

export function Summary({ trace, logs, colour }: { trace: Trace; logs?: TraceLogs; colour: Hues }) {
  const list = shares(trace);
  const whole = Math.max(1, list.reduce((sum, share) => sum + share.pathNs, 0));
  const shown = list.slice(0, 40);
  return (
    <aside class="sidepane" aria-label="Where the time went" tabIndex={0}>
      <div>
        <h2>Where the time went</h2>
        <p class="muted">Share of each service in the critical path: what would make the whole trace shorter if it were faster.</p>
      </div>
      {shown.map((share) => (
        <div class="sharebar" key={share.service}>
          <span class="clip"><i class="swatch" style={{ background: colour(share.service).css }} /> <a href={href(`/service/${encodeURIComponent(share.service)}`, rangeOf(trace))}><b class="data">{share.service || "(no service)"}</b></a> <span class="muted">{formatCount(share.spans)} span{share.spans === 1 ? "" : "s"}{share.errors > 0 ? <span class="bad"> ▲ {formatCount(share.errors)} error{share.errors === 1 ? "" : "s"}</span> : ""}</span></span>
          <span class="num mono">{Math.round((100 * share.pathNs) / whole)} % · {formatNs(share.pathNs)}</span>
          <span class="bar"><i style={{ width: `${(100 * share.pathNs) / whole}%`, background: colour(share.service).css }} /></span>
        </div>
      ))}
      {list.length > shown.length && <p class="muted">and {formatCount(list.length - shown.length)} more services</p>}
      <p class="muted">
        The lines below the bars are the critical path. {logs && logs.count > 0 ? `${formatCount(logs.count)}${logs.isCut ? " or more" : ""} log records lie on the lanes as dots. ` : ""}
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>e</kbd> goes to the next error, <kbd>?</kbd> lists all keys.
      </p>
    </aside>
  );
}
