// Rows beside those of the shop: a trace whose ids are known, with its logs, and rows that are hostile.
import { expect } from "@playwright/test";

/** A trace of a dozen spans, two of which failed, and its log records. */
export const TRACE = "5b8efff798038103d269b633813fc60c";
export const CALLER = "e2e-front";
export const CALLEE = "e2e-back";

/** What would run if a page took text for markup. Each says its name in the title of the document. */
export const MARKUP = [
  `<script>document.title='ran script'</script>`,
  `<img src=x onerror="document.title='ran img'">`,
  `"><svg onload="document.title='ran svg'">`,
  `javascript:document.title='ran link'`,
  `{{constructor.constructor("document.title='ran template'")()}}`,
];
/** Turns the order of what follows, hides letters, leaves no width. */
export const BIDI = "user\u202Egnp.exe\u2066admin\u2069\u200B\uFEFF";
export const HOSTILE = `<b onmouseover="document.title='ran service'">evil</b>`;
export const HOSTILE_TRACE = "00000000000000000000000000000bad";
export const LONG_BYTES = 256 * 1024;
export const LONG_MARK = "a line of 256 KiB";

/** Rows of a time that does not pass, for pictures. */
export const FIXED_FROM = "2026-01-05T10:00:00Z";
export const FIXED_TO = "2026-01-05T10:10:00Z";
export const FIXED_TRACE = "0000000000000000000000000000f1ed";
export const FIXED_SERVICE = "e2e-fixed";

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const span = (n: number) => n.toString(16).padStart(16, "0");

async function post(url: string, body: unknown) {
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

/** Sends the rows and waits until they are answered. */
export async function seed(url: string) {
  const now = Date.now() - 60_000;
  const ns = (ms: number) => `${Math.round(ms * 1000)}000`;
  await knownTrace(url, now, ns);
  await hostile(url, now, ns);
  await fixed(url, ns);
  await post(`${url}/v1/logs`, { resourceLogs: [{ resource: { attributes: [text("service.name", "e2e-long")] }, scopeLogs: [{ logRecords: [{ timeUnixNano: ns(now), severityNumber: 9, severityText: "INFO", body: { stringValue: `${LONG_MARK} ${"x".repeat(LONG_BYTES)}` } }] }] }] });
  await expect.poll(async () => {
    const q = encodeURIComponent(`service:"${CALLEE}"`);
    const answer = await fetch(`${url}/api/v1/logs/search?q=${q}&limit=5`);
    return ((await answer.json()) as { data?: { rows: unknown[] } }).data?.rows.length ?? 0;
  }, { timeout: 30_000 }).toBeGreaterThan(0);
  await expect.poll(async () => (await fetch(`${url}/api/v1/traces/${TRACE}`)).status, { timeout: 30_000 }).toBe(200);
}

async function knownTrace(url: string, now: number, ns: (ms: number) => string) {
  const made = (service: string, spans: number[]) => ({
    resource: { attributes: [text("service.name", service)] },
    scopeSpans: [{
      spans: spans.map((n) => ({
        traceId: TRACE,
        spanId: span(n),
        parentSpanId: n === 1 ? "" : span(Math.floor(n / 2)),
        name: n === 1 ? "GET /order" : `step ${n}`,
        kind: n % 2 ? 2 : 3,
        startTimeUnixNano: ns(now + n * 10),
        endTimeUnixNano: ns(now + 400 - n * 12),
        status: n === 5 || n === 9 ? { code: 2, message: `step ${n} failed` } : {},
      })),
    }],
  });
  await post(`${url}/v1/traces`, { resourceSpans: [made(CALLER, [1, 2, 3, 4, 5, 6]), made(CALLEE, [7, 8, 9, 10, 11, 12])] });
  const records = [5, 9].map((n) => ({ timeUnixNano: ns(now + n * 10 + 5), severityNumber: 17, severityText: "ERROR", body: { stringValue: `step ${n} failed: no answer from the gateway` }, traceId: TRACE, spanId: span(n) }));
  await post(`${url}/v1/logs`, { resourceLogs: [{ resource: { attributes: [text("service.name", CALLEE)] }, scopeLogs: [{ logRecords: records }] }] });
}

async function fixed(url: string, ns: (ms: number) => string) {
  const from = Date.parse(FIXED_FROM);
  const resource = { attributes: [text("service.name", FIXED_SERVICE), text("service.version", "1.2.3")] };
  const levels: [number, string][] = [[5, "DEBUG"], [9, "INFO"], [9, "INFO"], [13, "WARN"], [17, "ERROR"]];
  const logRecords = Array.from({ length: 120 }, (_, i) => {
    const [severityNumber, severityText] = levels[(i * 7) % levels.length];
    return { timeUnixNano: ns(from + i * 4_500), severityNumber, severityText, body: { stringValue: `order ${1000 + i} ${i % 9 ? "was placed" : "has no address"} in ${(i * 37) % 400} ms` }, attributes: [text("region", i % 3 ? "eu-1" : "us-1")] };
  });
  await post(`${url}/v1/logs`, { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  const spans = Array.from({ length: 14 }, (_, k) => {
    const i = k + 1;
    return { traceId: FIXED_TRACE, spanId: span(i), parentSpanId: i === 1 ? "" : span(Math.floor(i / 2)), name: i === 1 ? "POST /checkout" : `step ${i}`, kind: i === 1 ? 2 : 1, startTimeUnixNano: ns(from + i * 9), endTimeUnixNano: ns(from + 500 - i * 16), status: i === 11 ? { code: 2, message: "no answer" } : {}, attributes: [text("region", "eu-1")] };
  });
  await post(`${url}/v1/traces`, { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
}

async function hostile(url: string, now: number, ns: (ms: number) => string) {
  const resource = { attributes: [text("service.name", HOSTILE), text("host.name", BIDI)] };
  const bodies = [...MARKUP, `a name ${BIDI} in a line`, "line one\nline two\n\tline three", "\u0000\u0007\u001B[31mred\u001B[0m"];
  const logRecords = bodies.map((body, i) => ({ timeUnixNano: ns(now + i), severityNumber: 17, severityText: MARKUP[1], body: { stringValue: body }, traceId: HOSTILE_TRACE, spanId: span(1), attributes: [text(MARKUP[0], MARKUP[1]), text("note", BIDI)] }));
  await post(`${url}/v1/logs`, { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  const spans = MARKUP.map((name, i) => ({ traceId: HOSTILE_TRACE, spanId: span(i + 1), parentSpanId: i ? span(1) : "", name, kind: 2, startTimeUnixNano: ns(now + i), endTimeUnixNano: ns(now + 50), status: { code: 2, message: MARKUP[1] }, attributes: [text(MARKUP[2], MARKUP[3])], events: [{ timeUnixNano: ns(now + i), name: "exception", attributes: [text("exception.message", MARKUP[0])] }] }));
  await post(`${url}/v1/traces`, { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
  const dataPoints = MARKUP.map((value, i) => ({ timeUnixNano: ns(now), asInt: `${i}`, attributes: [text("path", value), text("who", BIDI)] }));
  await post(`${url}/v1/metrics`, { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [{ name: "e2e.hostile", description: MARKUP[1], gauge: { dataPoints } }] }] }] });
}
