// A server that asks for a login, from its first start on: the link, a password, the way back to an exact
// address, roles, keys, and what somebody meets who guesses.
import { mkdirSync } from "node:fs";
import { type Browser, type BrowserContext, type Page, expect, test as base } from "@playwright/test";
import { type Tarn, start } from "./tarn.ts";
import { axeFindings, overflow, settled } from "./watch.ts";

const RESULTS = new URL("results/", import.meta.url).pathname;
mkdirSync(RESULTS, { recursive: true });
const PASSWORD = "a lake above the trees";
const VIEWERS = "the path goes round it";
/** What the browser itself writes about an answer that is a refusal. */
const OF_BROWSER = /Failed to load resource/;

const test = base;
test.describe.configure({ mode: "serial" });

let tarn: Tarn;
let admin: BrowserContext;
let page: Page;
let problems: string[] = [];

/** A person with a browser of their own; what goes wrong in it fails the test. */
async function person(browser: Browser): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ baseURL: tarn.url, viewport: { width: 1440, height: 900 }, timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} of ${e.blockedURI}`)));
  page.on("console", (message) => message.type() === "error" && !OF_BROWSER.test(message.text()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(error.stack ?? error.message));
  page.on("request", (request) => !/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${tarn.url}/`) && problems.push(`elsewhere: ${request.url()}`));
  return { context, page };
}

/** Looks at what is open in both themes and at two widths. */
async function look(page: Page, name: string) {
  const findings: string[] = [];
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await settled(page);
      findings.push(...(await axeFindings(page)).map((one) => `${theme} ${width}: ${one}`), ...(await overflow(page)).map((one) => `${theme} ${width}: ${one}`));
      await page.screenshot({ path: `${RESULTS}${name}-${theme}-${width}.png` });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1440, height: 900 });
  expect(findings).toEqual([]);
}

async function logIn(page: Page, name: string, password: string) {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

/** Every address, as the browser shows it. */
const here = (page: Page) => page.evaluate(() => `${location.pathname}${location.search}${location.hash}`);

test.beforeAll(async ({ browser }) => {
  tarn = await start({ more: ["--auth.login", "on"] });
  ({ context: admin, page } = await person(browser));
});

test.afterAll(async () => {
  await admin?.close();
  await tarn?.stop();
});

test.beforeEach(() => void (problems = []));
test.afterEach(() => expect(problems).toEqual([]));

test("before the first password the login says where its link is", async () => {
  await page.goto("/");
  await expect(page).toHaveURL(/\/login/);
  await expect(page.getByText("Nobody can log in yet")).toBeVisible();
  await look(page, "login");
});

test("the link of the first start sets a password, and logs in", async () => {
  await expect.poll(() => tarn.said()).toMatch(/\/welcome#\S{20,}/);
  const link = /\/welcome#[\w-]+/.exec(tarn.said())![0];
  await page.goto(link);
  await page.getByLabel("New password").fill("too short");
  await expect(page.getByText("3 more characters")).toBeVisible();
  await expect(page.getByRole("button", { name: "Set it and log in" })).toHaveAttribute("aria-disabled", "true");
  await page.getByLabel("New password").fill(PASSWORD);
  await page.getByLabel("The same again").fill(`${PASSWORD}!`);
  await expect(page.getByText("The two are not the same")).toBeVisible();
  await look(page, "welcome");
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "You are admin" })).toBeVisible();
  expect(await here(page)).toBe("/");
  // Once means once.
  const other = await admin.newPage();
  await other.goto(link);
  await other.getByLabel("New password").fill(PASSWORD);
  await other.getByLabel("The same again").fill(PASSWORD);
  await other.keyboard.press("Enter");
  await expect(other.getByRole("heading", { name: "This link is over" })).toBeVisible();
  await other.close();
});

test("an address outlives the end of a session, with its parameters", async () => {
  const deep = "/logs?q=service:tarn%20level%3E=info&from=now-30m&to=now";
  await page.goto(deep);
  await settled(page);
  expect(await here(page)).toBe(deep);
  await admin.clearCookies();
  await page.locator("#main").focus();
  await page.keyboard.press("r");
  await expect(page.getByRole("heading", { name: "Log in to Tarn" })).toBeVisible();
  await logIn(page, "admin", PASSWORD);
  await expect(page.getByRole("button", { name: "You are admin" })).toBeVisible();
  expect(await here(page)).toBe(deep);
  // The way back leads nowhere else.
  await page.goto("/login?back=//evil.example/x");
  await expect(page.getByRole("button", { name: "You are admin" })).toBeVisible();
  expect(new URL(page.url()).origin).toBe(tarn.url);
});

test("a key is made, shown once, works for what it may, and is revoked", async ({ request }) => {
  await page.goto("/settings?part=keys");
  await page.getByRole("button", { name: "Make a key" }).first().click();
  await page.getByLabel("Name").fill("collector");
  await look(page, "key-form");
  await page.getByRole("button", { name: "Make it" }).click();
  const token = await page.getByLabel("Token").innerText();
  expect(token).toMatch(/^tarn_\w+_\S{20,}$/);
  await expect(page.getByLabel("Ready to paste")).toContainText(`OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${token}"`);
  await look(page, "key-shown");
  await page.getByRole("button", { name: "Done" }).click();
  await look(page, "keys");
  const send = () => request.post(`${tarn.url}/v1/logs`, { headers: { authorization: `Bearer ${token}` }, data: { resourceLogs: [] } });
  expect((await send()).status()).toBe(200);
  expect((await request.get(`${tarn.url}/api/v1/query?query=up`, { headers: { authorization: `Bearer ${token}` } })).status()).toBe(403);
  expect((await request.get(`${tarn.url}/api/v1/query?query=up`)).status()).toBe(401);
  await page.getByRole("button", { name: "Revoke" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText("There are no keys.")).toBeVisible();
  expect((await send()).status()).toBe(401);
});

test("the texts to paste carry a key that is made beside them", async () => {
  await page.goto("/send");
  await expect(page.getByText("YOUR_INGEST_KEY").first()).toBeVisible();
  await page.getByRole("button", { name: "Make an ingest key" }).click();
  await expect(page.getByText(/Bearer%20tarn_/).first()).toBeVisible();
  await look(page, "send-key");
});

test("a viewer reads, and is told why nothing else goes", async ({ browser }) => {
  await page.goto("/settings?part=users");
  await page.getByRole("button", { name: "Add a user" }).click();
  await page.getByLabel("Name").fill("vera");
  await page.getByRole("button", { name: "Add and make a link" }).click();
  const link = await page.getByLabel("Link", { exact: true }).innerText();
  await page.getByRole("button", { name: "Done" }).click();
  await look(page, "users");
  const vera = await person(browser);
  await vera.page.goto(`/${link.slice(link.indexOf("welcome#"))}`);
  await vera.page.getByLabel("New password").fill(VIEWERS);
  await vera.page.getByLabel("The same again").fill(VIEWERS);
  await vera.page.keyboard.press("Enter");
  await expect(vera.page.getByRole("button", { name: "You are vera" })).toBeVisible();
  await vera.page.goto("/dashboards");
  const make = vera.page.getByRole("button", { name: "New board" });
  await expect(make).toHaveAttribute("aria-disabled", "true");
  await expect(make).toHaveAttribute("title", "This takes the role editor; you have the role viewer.");
  await vera.page.goto("/alerts");
  await expect(vera.page.getByRole("button", { name: "Silence…" })).toHaveAttribute("aria-disabled", "true");
  await look(vera.page, "viewer");
  // The server says so itself to whoever asks all the same.
  const saved = await vera.page.evaluate(async () => {
    const { data } = (await (await fetch("/api/v1/access/me")).json()) as { data: { csrf: string } };
    const response = await fetch("/api/v1/dashboards/mine", { method: "PUT", headers: { "Content-Type": "application/json", "X-Tarn-Csrf": data.csrf }, body: "{}" });
    return response.status;
  });
  expect(saved).toBe(403);
  await vera.page.goto("/settings?part=users");
  await expect(vera.page.getByRole("alert").first()).toContainText("this takes the role admin for all tenants");
  await vera.context.close();
});

test("a change without the token of the session is refused", async () => {
  await page.goto("/");
  const status = await page.evaluate(async () => (await fetch("/api/v1/access/keys", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"name":"x","grants":[]}' })).status);
  expect(status).toBe(403);
});

test("the audit shows what was done", async () => {
  await page.goto("/settings?part=audit");
  await expect(page.locator(".auditrow").first()).toBeVisible({ timeout: 20_000 });
  await look(page, "audit");
});

test("a password is changed, and whoever logs out is out", async () => {
  await page.goto("/");
  await page.getByRole("button", { name: "You are admin" }).click();
  await look(page, "who");
  await page.getByRole("button", { name: "You are admin" }).click();
  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByLabel("Old password").fill("not this one at all");
  await page.getByLabel("New password").fill(`${PASSWORD} 2`);
  await page.getByLabel("The same again").fill(`${PASSWORD} 2`);
  await page.getByRole("button", { name: "Change it" }).click();
  await expect(page.getByText("The old password is wrong")).toBeVisible();
  await page.getByLabel("Old password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change it" }).click();
  await expect(page.getByText("It is changed.")).toBeVisible();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "You are admin" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await expect(page.getByRole("heading", { name: "Log in to Tarn" })).toBeVisible();
  await page.goto("/logs");
  await expect(page).toHaveURL(/\/login\?back=/);
});

test("whoever guesses waits, and is told how long", async () => {
  await page.goto("/login");
  const alert = page.getByRole("alert");
  await logIn(page, "nobody", "wrong wrong wrong");
  await expect(alert).toContainText("The name or the password is wrong.");
  await look(page, "login-wrong");
  for (let tries = 0; tries < 6 && !(await page.getByText("Too many attempts.").isVisible()); tries++) {
    const answered = page.waitForResponse("**/api/v1/access/login");
    await page.getByLabel("Password").fill("wrong wrong wrong");
    await page.keyboard.press("Enter");
    await answered;
  }
  await expect(page.getByText("Too many attempts.")).toBeVisible();
  await expect(page.getByText(/Try again in \d+ (s|min)/)).toBeVisible();
});
