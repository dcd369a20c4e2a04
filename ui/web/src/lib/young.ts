// A server that has been storing for minutes only: an hour would be an empty chart with a line at its edge.
import { ask } from "./api";
import { path } from "./router";
import { whyNot } from "./session";
import { defaultFrom, refresh } from "./time";

interface Head {
  headStats: { minTime: number };
}

interface Usage {
  stored: { blocks: number };
}

/** From then on the usual hour is right. */
const YOUNG_MS = 15 * 60_000;
/** In the first minute of a server its Overview fills by itself. */
const FILLS_FOR_MS = 60_000;
const FILLS_EVERY_MS = 4_000;

function fill(until: number) {
  const timer = setInterval(() => {
    if (Date.now() > until) clearInterval(timer);
    else if (path.value === "/" && !document.hidden) refresh();
  }, FILLS_EVERY_MS);
}

/** Makes the range that nobody chose as short as what is stored. */
export async function fitDefaultRange() {
  try {
    const head = await ask<Head>("/api/v1/status/tsdb");
    const age = Date.now() - head.data.headStats.minTime;
    // What is stored besides is asked where it matters, and by whoever may.
    if (!(age > 0 && age < YOUNG_MS) || whyNot("viewer", "server")) return;
    if ((await ask<Usage>("/api/v1/usage")).data.stored.blocks > 0) return;
    if (age < FILLS_FOR_MS) fill(Date.now() + FILLS_FOR_MS);
    if (age < 4 * 60_000) defaultFrom.value = "now-5m";
    else if (age < YOUNG_MS) defaultFrom.value = "now-15m";
  } catch {
    // An hour, then; what is wrong the page says itself.
  }
}
