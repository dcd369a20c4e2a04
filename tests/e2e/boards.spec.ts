// Boards: those that match the data, one that is dropped in from Grafana with its losses told, changes by
// keyboard, and two people who save at once.
import { axeFindings, expect, open, overflow, settled, test } from "./watch.ts";

const PROMETHEUS = { type: "prometheus", uid: "x" };
const GRAFANA = {
  title: "Shop <img src=x onerror=alert(1)>",
  schemaVersion: 39,
  templating: { list: [{ type: "query", name: "job", query: "label_values(up, job)", multi: true, includeAll: true, datasource: PROMETHEUS }] },
  panels: [
    { id: 1, type: "timeseries", title: "Memory", gridPos: { x: 0, y: 0, w: 12, h: 8 }, fieldConfig: { defaults: { unit: "bytes" } }, targets: [{ refId: "A", expr: "process_resident_memory_bytes{job=~\"$job\"}", datasource: PROMETHEUS }] },
    { id: 2, type: "nodeGraph", title: "Nodes", gridPos: { x: 12, y: 0, w: 12, h: 8 }, targets: [] },
    { id: 3, type: "logs", title: "Loki", gridPos: { x: 0, y: 8, w: 12, h: 6 }, targets: [{ refId: "A", expr: "{app=\"x\"} |= \"y\"", datasource: { type: "loki" } }] },
    { id: 4, type: "text", title: "Text", gridPos: { x: 12, y: 8, w: 12, h: 6 }, options: { mode: "markdown", content: "**Hello** [bad](javascript:alert(1)) <script>alert(1)</script>" } },
  ],
};

for (const [theme, width] of [["light", 1440], ["dark", 1440], ["light", 390]] as const) {
  test(`a board in ${theme}, ${width} px wide, has its panels and no finding`, async ({ watched: { page } }) => {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: theme });
    // The steps of a range are aligned: the newest may lie before the first rate of a server that has
    // just begun, and pages ask again only when they are told to.
    await expect(async () => {
      await open(page, "/dashboards/tarn?from=now-15m");
      await expect(page.getByRole("heading", { level: 1 })).toHaveText("Tarn");
      await expect(page.getByRole("region", { name: "Rows in" }).locator(".value")).toBeVisible({ timeout: 5_000 });
    }).toPass({ timeout: 60_000 });
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflow(page)).toEqual([]);
  });
}

test("a board of Grafana comes in with its losses told, and nobody's change is lost", async ({ watched: { page, allow } }) => {
  allow(/409 \(Conflict\)/);
  const title = `Shop ${Date.now()}`;
  const name = title.toLowerCase().replace(" ", "-");
  await open(page, "/dashboards");
  await page.locator("input[type=file]").setInputFiles({ name: "shop.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify(GRAFANA)) });
  await expect(page.getByText("3 of 4 panels come over, 2 of them exactly")).toBeVisible();
  expect(await axeFindings(page)).toEqual([]);
  await page.getByRole("textbox", { name: "Title" }).fill(title);
  await page.getByRole("button", { name: `Save as ${name}` }).click();
  await expect(page).toHaveURL(new RegExp(`/dashboards/${name}`));
  await expect(page.getByText("Kept from the import, not shown.")).toBeVisible();
  await expect(page.getByText("This panel asks in LogQL.")).toBeVisible();
  await expect(page.locator("script:not([src])")).toHaveCount(0);

  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.locator(".boardcell.editing").first().focus();
  await page.keyboard.press("Shift+ArrowDown");
  await expect(page.getByText("not saved")).toBeVisible();
  const found = (await (await page.request.get(`/api/v1/dashboards/${name}`)).json()).data;
  found.dashboard.spec.display.name = "Changed by another";
  const other = await page.request.put(`/api/v1/dashboards/${name}`, { headers: { "if-match": `"${found.revision}"` }, data: found.dashboard });
  expect(other.status()).toBe(200);
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("Changed by another");
  expect(await axeFindings(page)).toEqual([]);
  await page.getByRole("button", { name: "Save mine over it" }).click();
  await expect(page.getByText("revision 3")).toBeVisible();
  await settled(page);
  await page.getByRole("button", { name: "More of this board" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export as YAML" }).click()]);
  expect(file.suggestedFilename()).toBe(`${name}.yaml`);
});
