// When the server is busy, gone, or never answers: the page says so, says what to do, and goes on when it
// can.
import { expect, open, settled, test } from "./watch.ts";

const API = "**/api/v1/**";
/** What the browser itself writes about a request that failed. */
const OF_BROWSER = /Failed to load resource/;

const PLACES: [string, string][] = [
  ["overview", "/"],
  ["metrics", "/metrics?q=up"],
  ["logs", "/logs"],
  ["traces", "/traces"],
  ["map", "/map"],
  ["service", "/service/payment"],
  ["slos", "/slos"],
  ["alerts", "/alerts"],
  ["data", "/data"],
  ["dashboards", "/dashboards"],
];

for (const [name, path] of PLACES) {
  test(`${name}: a busy server is told, with what to do, and the page recovers`, async ({ watched: { page, allow } }) => {
    allow(OF_BROWSER);
    await page.route(API, (route) => route.fulfill({ status: 503, headers: { "retry-after": "7" }, json: { status: "error", errorType: "unavailable", error: "too many queries at once" } }));
    await open(page, path);
    const alert = page.getByRole("alert").first();
    await expect(alert).toContainText("Busy");
    await expect(alert).toContainText(/try again/i);
    await page.unroute(API);
    const retry = page.getByRole("button", { name: /retry|try again/i });
    if (await retry.count()) for (const one of await retry.all()) await one.click({ timeout: 2000 }).catch(() => {});
    else await page.keyboard.press("r");
    await settled(page);
    await page.locator("#main").focus();
    await page.keyboard.press("r");
    await expect(page.getByRole("alert").filter({ hasText: "Busy" })).toHaveCount(0);
  });
}

test("a server that is gone is told, and found again", async ({ watched: { page, allow } }) => {
  allow(OF_BROWSER);
  await open(page, "/logs");
  await page.route(API, (route) => route.abort("connectionrefused"));
  await page.locator("#main").focus();
  await page.keyboard.press("r");
  await expect(page.getByRole("alert").first()).toContainText("No connection");
  await page.unroute(API);
  await page.getByRole("alert").getByRole("button", { name: "Retry" }).first().click();
  await expect(page.getByRole("alert")).toHaveCount(0);
});

test("who waits can leave: an answer that never comes holds nothing up", async ({ watched: { page, allow } }) => {
  allow(OF_BROWSER);
  let cancelled = 0;
  page.on("requestfailed", () => cancelled++);
  await page.route("**/api/v1/traces/**", () => {}); // never answered
  const asked = page.waitForRequest("**/api/v1/traces/**");
  await page.goto("/traces");
  await asked;
  await page.locator("#main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("l");
  await expect(page).toHaveURL(/\/logs/);
  await settled(page);
  await expect(page.locator(".vlist [role=row]").first()).toBeVisible();
  await expect.poll(() => cancelled, "requests that nobody waits for").toBeGreaterThan(0);
});

test("no answer within the page's patience is told", async ({ watched: { page, allow } }) => {
  allow(OF_BROWSER);
  // Time of the page runs twenty times as fast; the server's does not.
  await page.addInitScript(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => timeout(ms / 20);
  });
  await page.route("**/api/v1/traces/**", () => {});
  await page.goto("/traces");
  await expect(page.getByRole("alert").first()).toContainText("Too slow", { timeout: 20_000 });
});
