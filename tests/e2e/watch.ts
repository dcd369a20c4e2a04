// A page that is watched: whatever it writes to its console as an error, every violation of its policy,
// every exception, and every request to another origin fails the test that opened it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Page, expect, test as base } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export interface Watched {
  page: Page;
  /** What went wrong so far. */
  problems: string[];
  /** What this test provokes, and may be in the console. */
  allow: (pattern: RegExp) => void;
}

export const test = base.extend<{ watched: Watched }>({
  baseURL: async ({}, use) => use(process.env.TARN_URL),
  watched: async ({ page, baseURL }, use) => {
    const problems: string[] = [];
    const allowed: RegExp[] = [];
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} of ${e.blockedURI} at ${e.sourceFile}:${e.lineNumber} ${e.sample}`));
    });
    page.on("console", (message) => message.type() === "error" && problems.push(`console: ${message.text()} ${message.location().url}`));
    page.on("pageerror", (error) => problems.push(`exception: ${error.stack ?? error.message}`));
    page.on("request", (request) => !/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${baseURL}/`) && problems.push(`elsewhere: ${request.url()}`));
    await use({ page, problems, allow: (pattern) => allowed.push(pattern) });
    expect(problems.filter((problem) => !allowed.some((pattern) => pattern.test(problem)))).toEqual([]);
  },
});

export { expect };

/** Opens a page and waits until it has what it shows. */
export async function open(page: Page, path: string) {
  await page.goto(path);
  await settled(page);
}

/** Waits until nothing is on its way: no progress bar, and a while without a request. */
export async function settled(page: Page) {
  await page.locator("#main").waitFor();
  // A page with a live stream is never idle.
  await page.waitForLoadState("networkidle", { timeout: 6000 }).catch(() => {});
  await page.locator(".progress").first().waitFor({ state: "hidden", timeout: 10_000 }).catch(() => {});
  await page.evaluate(() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))));
}

/** Returns what axe finds, one line per rule and place. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async (rules) => {
    const { violations } = await (window as unknown as { axe: { run: (o: unknown) => Promise<{ violations: { id: string; nodes: { target: string[]; any: { message: string }[]; html: string }[] }[] }> } }).axe.run({ runOnly: rules });
    return violations.flatMap(({ id, nodes }) => nodes.slice(0, 5).map((n) => `${id}: ${n.target.join(" ")}: ${n.any[0]?.message ?? n.html.slice(0, 120)}`));
  }, RULES);
}

/** Returns how many px the page is wider than its window, and what sticks out. */
export async function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over <= 0) return [];
    const out = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
    return [`${over} px: ${out.slice(0, 4).map((e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""}`).join(", ")}`];
  });
}
