// Log records, newest first; each is a door to its neighbours on the page Logs.
import { href } from "../lib/router";
import { formatTime, iso } from "../lib/time";
import { textOf, type Tree } from "./model";
import type { LogRow } from "./data";
import type { PanelProps } from "./registry";

const bodyOf = ({ body }: LogRow) => (typeof body === "string" ? body : JSON.stringify(body) ?? "").slice(0, 500);
const stateOf = (severity: number | null) => (severity === null ? "none" : severity >= 17 ? "err" : severity >= 13 ? "warn" : "none");

function queryOf(panel: PanelProps["panel"]): string {
  const spec: Tree | undefined = panel.spec.queries?.[0]?.spec.plugin.spec;
  return textOf(spec, "query") ?? "";
}

export function LogsPanel({ data, panel, spec }: PanelProps) {
  if (data.logs.length === 0) return <p class="nodata muted">No records in this range.</p>;
  return (
    <div class="panelscroll" tabIndex={0} role="group" aria-label="Log records">
      <table class={spec.allowWrap === true ? "logrows wrap" : "logrows"}>
        <tbody>
          {data.logs.map((row, i) => {
            const ms = Number(BigInt(row.timestamp_unix_nano) / 1_000_000n);
            return (
              <tr key={`${row.timestamp_unix_nano} ${i}`}>
                <td class="mono"><a href={href("/logs", { q: queryOf(panel), from: iso(ms - 60_000), to: iso(ms + 60_000) })}>{formatTime(ms, true).slice(11)}</a></td>
                <td class={`mono sev ${stateOf(row.severity_number)}`}>{(row.severity_text ?? "").slice(0, 5).toUpperCase()}</td>
                <td class="mono data">{row.service}</td>
                <td class="mono data body" title={bodyOf(row)}>{bodyOf(row)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
