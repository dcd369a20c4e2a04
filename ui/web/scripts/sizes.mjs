// Compares what a browser loads of dist/ with its budgets, in bytes as they travel (brotli; fonts as they
// are). Prints a line for each, fails where one is over.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { basename } from "node:path";

const KIB = 1024;
/** Budgets by the name of the chunk; any other script is a page of its own. */
const INDEX = 45 * KIB;
const EDITOR = 125 * KIB;
const PAGE = 15 * KIB;
const STYLES = 8 * KIB;
const FONTS = 90 * KIB;
/** What the first visit transfers until Overview stands. */
const FIRST_PAGE = 150_000;

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

/** Which styles come with a lazy page is in the loader's list, beside its script. */
function stylesOf(page) {
  return named(page, ".css");
}

const scripts = assets.filter((name) => name.endsWith(".js"));
const index = named("index", ".js");
const editor = named("editor", ".js");
const fonts = assets.filter((name) => name.endsWith(".woff2"));
const entry = readFileSync("dist/index.html", "utf8").match(/src="\.\/assets\/([^"]+)"/)[1];
const first = new Set(withImports(entry));
for (const page of named("Overview", ".js")) withImports(page, first);
const styles = [...named("index", ".css"), ...stylesOf("Overview")];
const firstPage = sum([...first, ...styles, ...fonts]) + sent("dist/index.html") + sent("dist/favicon.svg");

const rows = [
  ["index", sum(index), INDEX],
  ["editor", sum(editor), EDITOR],
  ["styles", sum(named("index", ".css")), STYLES],
  ["fonts", sum(fonts), FONTS],
  ["first page", firstPage, FIRST_PAGE],
  ...scripts.filter((name) => !index.includes(name) && !editor.includes(name)).map((name) => [name.replace(/-[^-]+\.js$/, ""), sum([name]), PAGE]),
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
