// `make bench-ui`: how long frames take over large data. Figures, not tests.
import config from "./playwright.config.ts";

export default { ...config, testMatch: "frames.bench.ts", globalSetup: undefined, timeout: 300_000, reporter: [["line"]] };
