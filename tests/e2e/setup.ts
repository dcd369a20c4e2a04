// One server for all tests, filled once. `TARN_URL` names one that runs already: rows are sent to it.
import { chromium } from "@playwright/test";
import { seed } from "./data.ts";
import { start } from "./tarn.ts";

export default async function setup() {
  const began = Date.now();
  if (process.env.TARN_URL) return seed(process.env.TARN_URL);
  const tarn = await start({ shop: "20m" });
  try {
    const status = (await (await fetch(`${tarn.url}/status`)).json()) as { ui: { built: boolean } };
    if (!status.ui.built) throw new Error("the binary has no pages: install npm, touch ui/build.rs, build again");
    await seed(tarn.url);
  } catch (error) {
    await tarn.stop();
    throw error;
  }
  process.env.TARN_URL = tarn.url;
  console.log(`a shop on ${tarn.url} after ${((Date.now() - began) / 1000).toFixed(1)} s, ${chromium.name()}`);
  return tarn.stop;
}
