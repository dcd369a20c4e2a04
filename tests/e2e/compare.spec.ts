// Pictures that must stay as they are: rows of a fixed time, fonts of our own, one zone, so each repeats
// exactly. They were taken with one version of Chromium; another one draws letters a little differently.
// A change that is meant: `make e2e ARGS="compare --update-snapshots"`, and look at what changed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { FIXED_FROM, FIXED_SERVICE, FIXED_TO, FIXED_TRACE } from "./data.ts";
import { open, settled, test, expect } from "./watch.ts";

const VERSION = new URL("baselines/chromium.txt", import.meta.url).pathname;
const RANGE = `from=${FIXED_FROM}&to=${FIXED_TO}`;

test.use({ viewport: { width: 1100, height: 700 } });

test.beforeEach(({ browser }, { config }) => {
  const here = browser.version().split(".")[0];
  if (config.updateSnapshots === "all" || config.updateSnapshots === "changed") writeFileSync(VERSION, `${here}\n`);
  const then = existsSync(VERSION) ? readFileSync(VERSION, "utf8").trim() : "";
  test.skip(here !== then, `pictures are of Chromium ${then}, this is ${here}`);
});

const PICTURES: [string, string, string?][] = [
  ["logs", `/logs?q=service%3A${FIXED_SERVICE}&${RANGE}`],
  ["trace", `/traces/${FIXED_TRACE}?${RANGE}`],
  ["keys", "/queries", "?"],
];

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme });
    for (const [name, path, key] of PICTURES) {
      test(`${name} looks as before in ${colorScheme}`, async ({ watched: { page } }) => {
        // A service's colour depends on which others there are, and those become known one after the other.
        await page.route("**/api/v1/label/service/values?*", (route) => route.fulfill({ json: { status: "success", data: [FIXED_SERVICE] } }));
        await open(page, path);
        if (key) await page.keyboard.press(key);
        await settled(page);
        // What an answer took is another every time; of what floats above a page only itself is fixed.
        await expect(key ? page.getByRole("dialog") : page).toHaveScreenshot(`${name}-${colorScheme}.png`, { mask: [page.locator(".statsline")] });
      });
    }
  });
}
