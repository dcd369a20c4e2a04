// A server that has been storing for minutes only: an hour would be an empty chart with a line at its edge.
import { ask } from "./api";
import { defaultFrom } from "./time";

interface Head {
  headStats: { minTime: number };
}

interface Usage {
  stored: { blocks: number };
}

/** Makes the range that nobody chose as short as what is stored. */
export async function fitDefaultRange() {
  try {
    const [head, usage] = await Promise.all([ask<Head>("/api/v1/status/tsdb"), ask<Usage>("/api/v1/usage")]);
    const age = Date.now() - head.data.headStats.minTime;
    if (usage.data.stored.blocks > 0 || !(age > 0)) return;
    if (age < 4 * 60_000) defaultFrom.value = "now-5m";
    else if (age < 15 * 60_000) defaultFrom.value = "now-15m";
  } catch {
    // An hour, then; what is wrong the page says itself.
  }
}
