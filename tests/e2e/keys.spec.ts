// Without a mouse: the palette, the chords, and the way from a log line to its trace, to the next error
// in it, and back.
import { CALLEE, TRACE } from "./data.ts";
import { expect, open, settled, test } from "./watch.ts";

test("Ctrl K finds a page, a service and a trace", async ({ watched: { page } }) => {
  await open(page, "/");
  await page.keyboard.press("Control+k");
  const search = page.getByRole("combobox", { name: "Search or jump" });
  await expect(search).toBeFocused();
  await search.pressSequentially("traces");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/traces/);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or jump" }).pressSequentially("e2e-b");
  await expect(page.getByRole("option", { name: CALLEE }).first()).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or jump" }).fill(TRACE);
  await expect(page.getByRole("option").first()).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/traces/${TRACE}`));
});

test("each chord goes to its page, and not while text is typed", async ({ watched: { page } }) => {
  await open(page, "/");
  for (const [key, path] of [["m", "/metrics"], ["l", "/logs"], ["t", "/traces"], ["p", "/map"], ["q", "/sql"], ["d", "/dashboards"], ["s", "/slos"], ["a", "/alerts"], ["c", "/data"], ["n", "/send"], [",", "/settings"], ["o", "/"]]) {
    await page.locator("#main").focus();
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await expect.poll(() => new URL(page.url()).pathname).toBe(path);
    await settled(page);
  }
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Search or jump" }).pressSequentially("gl");
  expect(new URL(page.url()).pathname).toBe("/");
});

test("the range travels with a chord, and the theme is kept", async ({ watched: { page } }) => {
  await open(page, "/logs?from=now-15m&to=now");
  await page.locator("#main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page).toHaveURL(/\/traces\?from=now-15m/);
  const shown = () => page.evaluate(() => document.documentElement.dataset.theme);
  const before = await shown();
  await page.locator("#main").focus();
  await page.keyboard.press("t");
  await expect.poll(shown).not.toBe(before);
  const chosen = await shown();
  await page.reload();
  await expect.poll(shown).toBe(chosen);
});

test("log, trace, next error, back to the log", async ({ watched: { page } }) => {
  await open(page, `/logs?q=${encodeURIComponent(`service:"${CALLEE}"`)}&from=now-30m&to=now`);
  const list = page.locator(".vlist").first();
  await list.focus();
  await page.keyboard.press("ArrowDown");
  const toTrace = page.getByRole("link", { name: "Trace", exact: true });
  await toTrace.focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/traces/${TRACE}`));
  await settled(page);
  await page.locator("#main").focus();
  const selected = () => new URL(page.url()).searchParams.get("span");
  const first = selected();
  await page.keyboard.press("e");
  await expect.poll(selected).not.toBe(first);
  const error = selected();
  await page.keyboard.press("e");
  await expect.poll(selected).not.toBe(error);
  const toLogs = page.getByRole("link", { name: /\d+ logs?$/ }).first();
  await toLogs.focus();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/logs\?/);
  await expect(page.getByText("no answer from the gateway").first()).toBeVisible();
});

test("the first key leads past the rail, and every stop is seen", async ({ watched: { page } }) => {
  await open(page, "/alerts");
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the page" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator("#main")).toBeFocused();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
