// One server for all tests, filled once. `TARN_URL` names one that runs already: rows are sent to it.
import { chromium } from "@playwright/test";
import { seed } from "./data.ts";
import { start } from "./tarn.ts";

/** Waits until own series have rates, which need two samples: boards of Tarn itself are full then. */
async function rates(url: string) {
  for (let tries = 0; tries < 60; tries++) {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent("sum(rate(tarn_ingest_rows_total[1m]))")}`);
    const { data } = (await answer.json()) as { data: { result: unknown[] } };
    if (data.result.length > 0) return;
    await new Promise((done) => setTimeout(done, 500));
  }
  throw new Error("Tarn stored no rates of its own within 30 s");
}

export default async function setup() {
  const began = Date.now();
  if (process.env.TARN_URL) return seed(process.env.TARN_URL);
  const tarn = await start({ shop: "20m" });
  try {
    const status = (await (await fetch(`${tarn.url}/status`)).json()) as { ui: { built: boolean } };
    if (!status.ui.built) throw new Error("the binary has no pages: install npm, touch ui/build.rs, build again");
    await seed(tarn.url);
    await rates(tarn.url);
  } catch (error) {
    await tarn.stop();
    throw error;
  }
  process.env.TARN_URL = tarn.url;
  console.log(`a shop on ${tarn.url} after ${((Date.now() - began) / 1000).toFixed(1)} s, ${chromium.name()}`);
  return tarn.stop;
}
