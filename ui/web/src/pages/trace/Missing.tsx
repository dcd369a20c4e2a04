// A trace that cannot be shown: why that may be, and what to do.
import type { ApiError } from "../../lib/api";
import { href, param } from "../../lib/router";
import { ErrorBox } from "../../ui/parts";
import "./trace.css";

export function Missing({ id, error, retry }: { id: string; error: ApiError; retry: () => void }) {
  if (error.status !== 404) return <div class="page"><ErrorBox error={error} retry={retry} /></div>;
  const tenant = param("tenant") || "default";
  return (
    <div class="page">
      <div class="panel">
        <header><h2>This trace is not stored</h2></header>
        <div class="body" style={{ display: "grid", gap: "8px" }}>
          <p class="mono data">{id}</p>
          <p>No span with this id is stored for the tenant <b class="data">{tenant}</b>. One of these is the reason, the most frequent first:</p>
          <ul class="why">
            <li><b>It was not sampled.</b> The sender kept its id in a log line and dropped the spans. Its SDK or Collector says so in its sampler.</li>
            <li><b>It has just begun.</b> Spans are sent when they end; look again in a few seconds.</li>
            <li><b>It is older than the retention of traces</b>, which <a href={href("/settings")}>Settings</a> shows.</li>
            <li><b>It is another tenant's.</b> A link carries the tenant in <code>tenant=</code>.</li>
            <li><b>It never arrived.</b> <a href={href("/data")}>Data</a> shows what arrives, and what was refused and why.</li>
          </ul>
          <div class="row">
            <button class="btn primary" onClick={retry}>Look again</button>
            <a class="btn" href={href("/logs", { q: `trace:${id}` })}>Logs with this id</a>
            <a class="btn" href={href("/traces")}>Search traces</a>
          </div>
        </div>
      </div>
    </div>
  );
}
