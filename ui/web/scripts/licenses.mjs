// Appends the licences of the fonts to dist/licenses.md: the bundler lists code only.
import { appendFileSync, readFileSync } from "node:fs";

const FONTS = ["@fontsource-variable/inter", "@fontsource-variable/jetbrains-mono"];

for (const name of FONTS) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const text = readFileSync(`${folder}/LICENSE`, "utf8").trim();
  appendFileSync("dist/licenses.md", `\n## ${name} - ${version} (${license})\n\n${text}\n`);
}
