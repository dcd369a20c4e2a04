// Every page in both themes: no error, no violation of the policy or of WCAG 2.2 AA, nothing wider than
// the window at 390 px and at 200 % zoom, a picture of each to look at.
import { mkdirSync } from "node:fs";
import { CALLER, TRACE } from "./data.ts";
import { axeFindings, expect, open, overflow, settled, test } from "./watch.ts";

const RESULTS = new URL("results/", import.meta.url).pathname;
mkdirSync(RESULTS, { recursive: true });

/** One address per route of the app, and some states that are pages of their own to the reader. */
const PAGES: [string, string][] = [
  ["overview", "/"],
  ["metrics", "/metrics"],
  ["metrics-query", `/metrics?q=${encodeURIComponent("sum by (service) (rate(traces_spanmetrics_calls_total[5m]))")}&from=now-20m&to=now`],
  ["metric", "/metrics/shop_payments_total"],
  ["logs", "/logs?from=now-30m&to=now"],
  ["traces", "/traces?from=now-30m&to=now"],
  ["trace", `/traces/${TRACE}`],
  ["map", "/map"],
  ["service", "/service/payment"],
  ["sql", "/sql"],
  ["dashboards", "/dashboards"],
  ["slos", "/slos"],
  ["slo", "/slos/payments"],
  ["alerts", "/alerts"],
  ["data", "/data"],
  ["send", "/send"],
  ["queries", "/queries"],
  ["settings", "/settings"],
  ["status", "/status"],
  ["empty", `/logs?q=${encodeURIComponent(`service:"${CALLER}" nothing-has-this-word`)}`],
];

for (const theme of ["light", "dark"] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme });
    for (const [name, path] of PAGES) {
      test(`${name} in ${theme}`, async ({ watched: { page } }) => {
        await open(page, path);
        await page.screenshot({ path: `${RESULTS}${name}-${theme}-1440.png` });
        const findings = { wide: await axeFindings(page), zoomed: [] as string[], narrow: [] as string[], overflow: [] as string[] };
        // 200 % of a window of 1280.
        await page.setViewportSize({ width: 640, height: 450 });
        await settled(page);
        findings.zoomed = await overflow(page);
        await page.setViewportSize({ width: 390, height: 844 });
        await settled(page);
        findings.overflow = await overflow(page);
        findings.narrow = await axeFindings(page);
        await page.screenshot({ path: `${RESULTS}${name}-${theme}-390.png` });
        expect(findings).toEqual({ wide: [], zoomed: [], narrow: [], overflow: [] });
      });
    }
  });
}

test("a path that is no page is told in JSON, and no page is sent", async ({ page, request, baseURL }) => {
  const answer = await request.get(`${baseURL}/nothing-here`, { headers: { accept: "text/html" } });
  expect(answer.status()).toBe(404);
  expect(await answer.json()).toMatchObject({ status: "error", errorType: "not_found" });
  await page.goto(`${baseURL}/graph?g0.expr=up&g0.range_input=1h`);
  expect(new URL(page.url()).pathname).toBe("/metrics");
  expect(new URL(page.url()).searchParams.get("q")).toBe("up");
});

test("whoever wants less motion gets none", async ({ browser, baseURL }) => {
  const page = await (await browser.newContext({ reducedMotion: "reduce", baseURL })).newPage();
  for (const path of ["/", "/logs", `/traces/${TRACE}`]) {
    await open(page, path);
    const moving = await page.evaluate(() => {
      const long = (text: string) => text.split(",").some((part) => Number.parseFloat(part) * (part.includes("ms") ? 1 : 1000) > 20);
      return [...document.querySelectorAll("*")].filter((e) => {
        const style = getComputedStyle(e);
        return long(style.transitionDuration) || (style.animationName !== "none" && long(style.animationDuration) && style.animationIterationCount !== "1");
      }).map((e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""}`);
    });
    expect(moving, path).toEqual([]);
  }
  await page.context().close();
});
