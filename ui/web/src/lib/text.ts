// Text that came from outside, made legible: what cannot be seen or would turn the line around is
// written out. Nothing here makes markup; it all becomes text nodes.

/** Characters of a body that a row of the list shows at most. */
const LINE_CHARS = 600;
// Colours for terminals: no use here, and noise.
const ANSI = /\u001b\[[0-9;]*[A-Za-z]/g;
// Half a character.
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** Writes out controls; line ends and tabs stay. */
export function visible(text: string): string {
  return text.replace(LONE, "\ufffd").replace(ANSI, "").replace(/\r\n/g, "\n").replace(HIDDEN, shown);
}

function shown(c: string): string {
  const code = c.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "␡";
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}

/** The beginning of a text as one line. */
export function oneLine(text: string): string {
  const part = text.length > LINE_CHARS ? text.slice(0, LINE_CHARS) : text;
  const line = visible(part).trim().replace(/\s*\n\s*/g, " ↵ ").replace(/\t/g, " ");
  return text.length > LINE_CHARS ? `${line}…` : line;
}

/** A value of an attribute as text. */
export function asText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Breaks JSON into lines without reading its numbers, so large ones stay as they are; null if it is none. */
export function prettyJson(text: string): string | null {
  const trimmed = text.trim();
  if (!/^[{[]/.test(trimmed)) return null;
  try {
    JSON.parse(trimmed);
  } catch {
    return null;
  }
  return indented(trimmed);
}

function indented(json: string): string {
  const parts = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g) ?? [];
  let out = "";
  let depth = 0;
  // Nested deeper than anybody reads, lines would be mostly spaces.
  const line = () => `\n${"  ".repeat(Math.min(depth, 40))}`;
  parts.forEach((part, i) => {
    if (part === "{" || part === "[") {
      depth++;
      out += parts[i + 1] === "}" || parts[i + 1] === "]" ? part : part + line();
    } else if (part === "}" || part === "]") {
      depth--;
      out += parts[i - 1] === "{" || parts[i - 1] === "[" ? part : line() + part;
    } else if (part === ",") out += part + line();
    else out += part === ":" ? ": " : part;
  });
  return out;
}

/** The longest part of a text without numbers and ids: what records of the same kind share. */
export function sharedPart(text: string): string {
  const parts = cut(text, 4000).split(/\n|\S*\d\S*/).map((part) => part.trim().slice(0, 200));
  const longest = parts.reduce((best, part) => (part.length > best.length ? part : best), "");
  return longest.length >= 4 ? longest : cut(text.split("\n")[0], 200);
}

/** Cuts a text without cutting a character in half. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}

/** The place that the server means, in bytes of UTF-8, as a place in the text. */
export function unitAt(text: string, byte: number): number {
  let bytes = 0;
  let at = 0;
  for (const c of text) {
    if (bytes >= byte) break;
    const code = c.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += c.length;
  }
  return at;
}
