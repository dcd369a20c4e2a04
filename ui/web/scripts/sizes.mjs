// Compares what a browser loads of dist/ with its budgets, in bytes as they travel (brotli; fonts as they
// are). Prints a line for each, fails where one is over.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename } from "node:path";

const KIB = 1024;
/** All scripts of the first page: shell, router, Overview. */
const SCRIPTS = 45 * KIB;
/** CodeMirror and PromQL, loaded where text is edited. */
const EDITOR = 125 * KIB;
/** uPlot, loaded where something is drawn over time. */
const CHART = 25 * KIB;
/** Any other script: the code of a page, or what several share. */
const OTHER = 20 * KIB;
const STYLES = 8 * KIB;
const FONTS = 90 * KIB;
/** What the first visit transfers until Overview stands. */
const FIRST_PAGE = 150_000;
/** Scripts smaller than this are not worth a line. */
const SMALL = 2 * KIB;

const assets = readdirSync("dist/assets").filter((name) => !/\.(br|gz)$/.test(name)).sort();
const sent = (path) => statSync(existsSync(`${path}.br`) ? `${path}.br` : path).size;
const named = (prefix, extension) => assets.filter((name) => name.startsWith(`${prefix}-`) && name.endsWith(extension));
const sum = (names) => names.reduce((bytes, name) => bytes + sent(`dist/assets/${name}`), 0);

/** A script and all that it needs at once: imports, not those that wait for a page. */
function withImports(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = readFileSync(`dist/assets/${name}`, "utf8");
  for (const [, path] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) withImports(basename(path), seen);
  return seen;
}

const scripts = assets.filter((name) => name.endsWith(".js"));
const editor = named("editor", ".js");
const chart = named("LineChart", ".js");
const fonts = assets.filter((name) => name.endsWith(".woff2"));
const entry = readFileSync("dist/index.html", "utf8").match(/src="\.\/assets\/([^"]+)"/)[1];
const first = new Set(withImports(entry));
for (const page of named("Overview", ".js")) withImports(page, first);
const styles = [...named("index", ".css"), ...named("Overview", ".css")];
const firstPage = sum([...first, ...styles, ...fonts]) + sent("dist/index.html") + sent("dist/favicon.svg");

const others = scripts.filter((name) => ![entry, ...editor, ...chart].includes(name) && sum([name]) >= SMALL);
const rows = [
  ["first page", firstPage, FIRST_PAGE],
  ["  its scripts", sum([...first]), SCRIPTS],
  ["  its styles", sum(styles), STYLES],
  ["  fonts", sum(fonts), FONTS],
  ["editor", sum(editor), EDITOR],
  ["chart", sum(chart), CHART],
  ...others.map((name) => [name.replace(/-.{8}\.js$/, ""), sum([name]), OTHER]),
];
let over = 0;
for (const [name, bytes, limit] of rows) {
  if (bytes > limit) over++;
  const kib = (n) => (n / KIB).toFixed(1).padStart(6);
  console.log(`${bytes > limit ? "OVER" : "ok  "} ${name.padEnd(16)} ${kib(bytes)} KiB of ${kib(limit)} KiB`);
}
if (over > 0) {
  console.log(`${over} over budget; the app must stay quick on a slow line: load it lazily, or make it smaller`);
  process.exit(1);
}
