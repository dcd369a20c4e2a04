// Telemetry is written by strangers: markup in it never runs, what turns the order of letters is seen,
// and what is long stays a line.
import { BIDI, HOSTILE, HOSTILE_TRACE, LONG_MARK, MARKUP } from "./data.ts";
import { expect, open, overflow, settled, test } from "./watch.ts";

const SERVICE = encodeURIComponent(HOSTILE);
const RANGE = "from=now-30m&to=now";

const PLACES: [string, string, string][] = [
  ["logs", `/logs?q=${encodeURIComponent(`service:"${HOSTILE.replaceAll('"', '\\"')}"`)}&${RANGE}`, "<img src=x"],
  ["trace", `/traces/${HOSTILE_TRACE}`, "<script>"],
  ["traces", `/traces?${RANGE}`, ""],
  ["metric", `/metrics?q=e2e_hostile&${RANGE}`, "<script>"],
  ["service", `/service/${SERVICE}?${RANGE}`, "evil"],
  ["overview", "/", ""],
  ["map", "/map", ""],
  ["sql", `/sql?q=${encodeURIComponent("SELECT body FROM logs LIMIT 50")}`, ""],
  ["a search", `/logs?q=${encodeURIComponent(MARKUP[1])}`, ""],
  ["a name", `/metrics/${encodeURIComponent(MARKUP[1])}`, ""],
  ["a tenant", `/logs?tenant=${encodeURIComponent(MARKUP[1])}`, ""],
];

for (const [name, path, legible] of PLACES) {
  test(`markup never runs in ${name}`, async ({ watched: { page, allow } }) => {
    // A name that does not exist, or cannot, is refused by the server, which the browser's console tells.
    allow(/Failed to load resource: the server responded with a status of 4\d\d/);
    await open(page, path);
    expect(await page.title()).not.toMatch(/^ran /);
    expect(await page.locator("#main b[onmouseover], #main img[onerror], #main svg[onload], #main script, #main a[href^='javascript:']").count()).toBe(0);
    if (legible) await expect(page.getByText(legible).first()).toBeVisible();
    expect(await overflow(page)).toEqual([]);
  });
}

test("letters that turn the order of others do not", async ({ watched: { page } }) => {
  await open(page, `/logs?q=${encodeURIComponent("\"in a line\"")}&${RANGE}`);
  const row = page.locator(".vlist [role=row]").filter({ hasText: "a name" }).first();
  await expect(row).toBeVisible();
  // Either the controls are shown as what they are, or they are held inside an isolated text.
  const contained = await row.evaluate((element, bidi) => {
    const holder = [...element.querySelectorAll("*")].filter((e) => e.textContent?.includes("a name")).pop() ?? element;
    return !holder.textContent!.includes(bidi.slice(4, 5)) || /isolate|plaintext/.test(getComputedStyle(holder).unicodeBidi);
  }, BIDI);
  expect(contained).toBe(true);
});

test("a line of 256 KiB is a row, and its detail does not freeze the page", async ({ watched: { page } }) => {
  await open(page, `/logs?q=${encodeURIComponent("service:e2e-long")}&${RANGE}`);
  const row = page.locator(".vlist [role=row]").filter({ hasText: LONG_MARK }).first();
  await expect(row).toBeVisible();
  expect((await row.boundingBox())!.height).toBeLessThan(100);
  const began = Date.now();
  await row.click();
  await settled(page);
  await expect(page).toHaveURL(/[?&](row|at|sel|log|open)=/);
  expect(Date.now() - began).toBeLessThan(10_000);
  expect(await overflow(page)).toEqual([]);
});
