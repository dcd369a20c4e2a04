// What goes wrong in the page, and how long it took to show something, is told to the same server as
// OTLP logs, so that Tarn's own Overview knows. Bounded: a page that fails in a loop tells ten times.
import { fetched, url } from "./api";
import { loadMe, me, whyNot } from "./session";

const TELL_MAX = 10;
let told = 0;

interface Attribute {
  key: string;
  value: { stringValue: string } | { doubleValue: number };
}

function tell(severity: "INFO" | "ERROR", body: string, attributes: Attribute[]) {
  if (told++ >= TELL_MAX) return;
  const now = `${BigInt(Math.round(performance.timeOrigin + performance.now())) * 1_000_000n}`;
  const record = {
    timeUnixNano: now,
    severityNumber: severity === "ERROR" ? 17 : 9,
    severityText: severity,
    body: { stringValue: body.slice(0, 2000) },
    attributes: [...attributes, { key: "url.path", value: { stringValue: location.pathname } }],
  };
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "tarn" } }, { key: "telemetry.sdk.language", value: { stringValue: "webjs" } }] };
  const request = { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: "tarn.ui" }, logRecords: [record] }] }] };
  // Nobody waits for it, and a page must not fail because of it. Who may only read tells nothing.
  void send(JSON.stringify(request));
}

async function send(body: string) {
  const now = me.peek() ?? (await loadMe());
  if ((now?.login && !now.principal) || whyNot("ingest")) return;
  fetched(url("/v1/logs"), { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }, true).catch(() => {});
}

export function watchPage() {
  const failed = (what: string, where: string) => tell("ERROR", what, [{ key: "exception.stacktrace", value: { stringValue: where.slice(0, 2000) } }]);
  window.addEventListener("error", (event) => failed(event.message || "a file of the page could not be loaded", event.error?.stack ?? `${event.filename}:${event.lineno}`));
  window.addEventListener("unhandledrejection", (event) => {
    if (event.reason?.name !== "AbortError") failed(String(event.reason), event.reason?.stack ?? "");
  });
  document.addEventListener("securitypolicyviolation", (event) => failed(`the page's security policy refused ${event.violatedDirective}`, event.blockedURI));
}
