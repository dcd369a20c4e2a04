// The pages in a real browser, over the real binary. One browser, one server, one test at a time: what
// is looked at is whether pages work, and a busy machine must not make that a matter of luck.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const onPath = (name: string) => execFileSync("sh", ["-c", `command -v ${name} || true`], { encoding: "utf8" }).trim();
const chromium = process.env.TARN_CHROMIUM || onPath("chromium") || onPath("google-chrome");
if (!existsSync(chromium)) throw new Error("no chromium: apt-get install chromium, or name it in TARN_CHROMIUM");

export default defineConfig({
  testDir: ".",
  outputDir: "results/traces",
  snapshotPathTemplate: "baselines/{arg}{ext}",
  globalSetup: "./setup.ts",
  workers: 1,
  retries: 0,
  timeout: 45_000,
  expect: { timeout: 15_000, toHaveScreenshot: { maxDiffPixelRatio: 0.002, animations: "disabled", caret: "hide" } },
  reporter: [["list"]],
  use: {
    viewport: { width: 1440, height: 900 },
    timezoneId: "UTC",
    locale: "en-GB",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: chromium,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--force-color-profile=srgb",
        "--font-render-hinting=none",
      ],
    },
  },
});
