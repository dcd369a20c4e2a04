// Frames over 100,000 log rows, a trace of 20,000 spans and a chart of 1,000 series, one line per figure:
// name, p50 and p95 of the milliseconds from the begin of a frame until its layout is done, processor time
// of the page's thread per frame (which a busy machine does not change), frames, and the longest task. A
// frame has 16.7 ms at 60 Hz. `TARN_URL` names a server that runs already.
import { randomBytes } from "node:crypto";
import { type Page, test } from "@playwright/test";
import { type Tarn, start } from "./tarn.ts";
import { settled } from "./watch.ts";

const LOG_ROWS = 100_000;
const SPANS = 20_000;
const SERIES = 1_000;
const FRAMES = 300;
/** Another one every time: a server that runs already may have that of the time before. */
const TRACE = randomBytes(16).toString("hex");
const BATCH = 5_000;

let tarn: Tarn;
test.beforeAll(async () => {
  const url = process.env.TARN_URL;
  tarn = url ? { url, stop: () => Promise.resolve() } : await start();
  await seed();
});
test.afterAll(() => tarn?.stop());

test("logs", async ({ page }) => {
  const took = await ready(page, "/logs?q=service%3Abulk&from=now-30m&to=now", ".vlist [role=row]");
  report("logs-100k-open", took);
  // Read the whole of it once, so that frames are measured and not the server.
  report("logs-100k-scroll", await scroll(page, ".vlist", 480));
  report("logs-100k-jump", await scroll(page, ".vlist", 40_000));
});

test("trace", async ({ page }) => {
  report("trace-20k-open", await ready(page, `/traces/${TRACE}?fold=none`, ".vlist [role=row]"));
  report("trace-20k-scroll", await scroll(page, ".vlist", 240));
});

test("chart", async ({ page }) => {
  report("chart-1000-open", await ready(page, "/metrics?q=bulk_series&from=now-30m&to=now", ".uplot"));
  const all = page.getByRole("button", { name: /^Draw / });
  if (await all.count()) await all.first().click();
  await settled(page);
  const box = (await page.locator(".uplot .u-over").first().boundingBox())!;
  report("chart-1000-pointer", await frames(page, async () => {
    for (let i = 0; i < FRAMES; i++) await page.mouse.move(box.x + ((i * 7) % box.width), box.y + box.height / 2);
  }));
  report("chart-1000-zoom", await frames(page, async () => {
    for (let i = 0; i < 5; i++) {
      await page.mouse.move(box.x + box.width * 0.1, box.y + 40);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.9, box.y + 40, { steps: 10 });
      await page.mouse.up();
      await settled(page);
    }
  }));
});

interface Work {
  frames: number[];
  longest: number;
  /** Processor time of the page's thread, in ms. */
  cpu: number;
}

/** Counts the processor time of the page's thread; it counts while the session is open. */
async function clockOf(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const ms = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0) * 1000;
  };
  const before = await ms();
  return async () => (await ms()) - before;
}

/** Opens a page; returns the work of its thread until what is looked for is there. */
async function ready(page: Page, path: string, selector: string): Promise<Work> {
  await page.addInitScript(record);
  await page.goto(`${tarn.url}${path}`);
  await page.locator(selector).first().waitFor({ timeout: 60_000 });
  await settled(page);
  return taken(page);
}

async function scroll(page: Page, selector: string, px: number): Promise<Work> {
  return frames(page, () => page.evaluate(([selector, px, count]) => new Promise<void>((done) => {
    const list = document.querySelector(selector as string)!;
    let left = count as number;
    let way = px as number;
    const step = () => {
      const before = list.scrollTop;
      list.scrollTop += way;
      if (list.scrollTop === before) way = -way;
      if (--left > 0) requestAnimationFrame(step);
      else done();
    };
    requestAnimationFrame(step);
  }), [selector, px, FRAMES] as const));
}

async function frames(page: Page, act: () => Promise<unknown>): Promise<Work> {
  await taken(page);
  const cpu = await clockOf(page);
  await act();
  return { ...(await taken(page)), cpu: await cpu() };
}

/** Runs in the page: from the begin of each frame until its script, styles and layout are done. */
function record() {
  const work = { frames: [] as number[], longest: 0, cpu: 0 };
  (window as unknown as { work: typeof work }).work = work;
  const channel = new MessageChannel();
  let began = 0;
  channel.port1.onmessage = () => work.frames.push(performance.now() - began);
  const frame = () => {
    began = performance.now();
    channel.port2.postMessage(0);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) work.longest = Math.max(work.longest, entry.duration);
  }).observe({ type: "longtask", buffered: true });
}

/** Returns what was recorded since the last call. */
function taken(page: Page): Promise<Work> {
  return page.evaluate(() => {
    const { work } = window as unknown as { work: Work };
    const { frames, longest } = work;
    work.frames = [];
    work.longest = 0;
    return { frames, longest, cpu: 0 };
  });
}

function report(name: string, { frames: all, longest, cpu }: Work) {
  const sorted = [...all].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
  console.log(`${name.padEnd(20)} p50 ${at(0.5)} ms  p95 ${at(0.95)} ms${cpu > 0 ? `  processor ${(cpu / Math.max(1, sorted.length)).toFixed(1)} ms` : ""}  frames ${sorted.length}  longest task ${longest.toFixed(0)} ms`);
}

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });
const resource = { attributes: [text("service.name", "bulk")] };

async function post(path: string, body: unknown) {
  const answer = await fetch(`${tarn.url}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

async function seed() {
  const now = Date.now() - 60_000;
  const ns = (ms: number) => `${Math.floor(ms)}${Math.round((ms % 1) * 1e6).toString().padStart(6, "0")}`;
  for (let first = 0; first < LOG_ROWS; first += BATCH) {
    const logRecords = Array.from({ length: BATCH }, (_, i) => ({ timeUnixNano: ns(now - (first + i) * 10), severityNumber: 5 + ((first + i) % 5) * 4, body: { stringValue: `request ${first + i} of /api/items/${(first + i) % 97} took ${(first + i) % 613} ms` }, attributes: [text("http.route", `/api/items/${i % 7}`), text("region", `eu-${i % 3}`)] }));
    await post("/v1/logs", { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  }
  for (let first = 0; first < SPANS; first += BATCH) {
    const spans = Array.from({ length: BATCH }, (_, k) => {
      const i = first + k;
      const id = (n: number) => (n + 1).toString(16).padStart(16, "0");
      return { traceId: TRACE, spanId: id(i), parentSpanId: i ? id(Math.floor((i - 1) / 8)) : "", name: `step ${i % 40}`, kind: 1 + (i % 5), startTimeUnixNano: ns(now + i * 0.4), endTimeUnixNano: ns(now + SPANS * 0.4 + 10 - (i % 100) * 0.01), status: i % 997 ? {} : { code: 2 } };
    });
    await post("/v1/traces", { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] });
  }
  for (let point = 0; point < 60; point++) {
    const dataPoints = Array.from({ length: SERIES }, (_, i) => ({ timeUnixNano: ns(now - (60 - point) * 15_000), asDouble: Math.sin((point + i) / 9) * (i % 50) + i, attributes: [text("n", `${i}`)] }));
    await post("/v1/metrics", { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [{ name: "bulk.series", gauge: { dataPoints } }] }] }] });
  }
}
