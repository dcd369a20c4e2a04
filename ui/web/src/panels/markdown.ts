// A small reader of Markdown: a tree of what it understands, and everything else is text. It never makes
// HTML: whoever draws the tree makes nodes, so nothing in a text can run. Links go to http, https, mailto.

export type Inline = string | { kind: "strong" | "em" | "code" | "link"; text: Inline[]; url?: string };
export type Block =
  | { kind: "heading"; level: number; text: Inline[] }
  | { kind: "text" | "quote"; text: Inline[] }
  | { kind: "code"; source: string }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

/** Text beyond this is cut. */
const CHARS_MAX = 100_000;

export function safeUrl(url: string): string | undefined {
  try {
    const { protocol, href } = new URL(url, "https://invalid.invalid");
    if (!/^[a-z][a-z0-9+.-]*:/i.test(url.trim())) return undefined;
    return protocol === "http:" || protocol === "https:" || protocol === "mailto:" ? href : undefined;
  } catch {
    return undefined;
  }
}

// Bounded, so that a text of nothing but brackets is read in one go.
const MARK = /`([^`]{1,2000})`|\[([^\]]{0,500})\]\(([^)\s]{1,2000})(?:\s+"[^"]{0,500}")?\)|\*\*([^*]{1,2000})\*\*|__([^_]{1,2000})__|\*([^*\s][^*]{0,2000})\*|(?<![\w])_([^_\s][^_]{0,2000})_(?![\w])|(https?:\/\/[^\s<>")]{1,2000})/g;

export function inline(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  let at = 0;
  for (const found of text.matchAll(MARK)) {
    const [whole, code, label, url, strong, strong2, em, em2, bare] = found;
    if (found.index > at) out.push(text.slice(at, found.index));
    at = found.index + whole.length;
    const inner = (part: string) => (depth < 4 ? inline(part, depth + 1) : [part]);
    if (code !== undefined) out.push({ kind: "code", text: [code] });
    else if (url !== undefined || bare !== undefined) {
      const safe = safeUrl(url ?? bare);
      out.push(safe ? { kind: "link", url: safe, text: label === undefined ? [bare] : label ? [label] : [url] } : whole);
    } else if (strong ?? strong2) out.push({ kind: "strong", text: inner(strong ?? strong2) });
    else out.push({ kind: "em", text: inner(em ?? em2) });
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}

const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim()));

export function markdown(source: string): Block[] {
  const lines = source.slice(0, CHARS_MAX).replace(/\r/g, "").split("\n");
  const blocks: Block[] = [];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    if (/^\s*```/.test(line)) {
      const end = lines.findIndex((later, at) => at > i && /^\s*```/.test(later));
      const to = end < 0 ? lines.length : end;
      blocks.push({ kind: "code", source: lines.slice(i + 1, to).join("\n") });
      i = to + 1;
    } else if (line.trim() === "") i++;
    else if (heading) {
      blocks.push({ kind: "heading", level: heading[1].length, text: inline(heading[2]) });
      i++;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      blocks.push({ kind: "rule" });
      i++;
    } else if (/^\s*([-*+]|\d+[.)])\s+/.test(line)) {
      const ordered = /^\s*\d/.test(line);
      const items: Inline[][] = [];
      for (; i < lines.length && /^\s*([-*+]|\d+[.)])\s+/.test(lines[i]); i++) items.push(inline(lines[i].replace(/^\s*([-*+]|\d+[.)])\s+/, "")));
      blocks.push({ kind: "list", ordered, items });
    } else if (line.includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$/.test(lines[i + 1] ?? "")) {
      const rows: Inline[][][] = [];
      const head = cells(line);
      for (i += 2; i < lines.length && lines[i].includes("|"); i++) rows.push(cells(lines[i]));
      blocks.push({ kind: "table", head, rows });
    } else {
      const quote = /^\s*>/.test(line);
      const part: string[] = [];
      for (; i < lines.length && lines[i].trim() !== "" && !/^(#{1,6}\s|\s*```)/.test(lines[i]) && /^\s*>/.test(lines[i]) === quote; i++) part.push(lines[i].replace(/^\s*>\s?/, ""));
      blocks.push({ kind: quote ? "quote" : "text", text: inline(part.join(" ")) });
    }
  }
  return blocks;
}

/** The text of an HTML panel: tags are taken out, nothing of it is ever parsed as HTML. */
export function textOfHtml(html: string): string {
  const bare = html.slice(0, CHARS_MAX).replace(/<(style|script)\b[^>]*>[\s\S]*?(<\/\1\s*>|$)/gi, "").replace(/<br\s*\/?>|<\/(p|div|h\d|li|tr)>/gi, "\n").replace(/<[^>]*>?/g, "");
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " ", "#39": "'" };
  return bare.replace(/&(amp|lt|gt|quot|nbsp|#39);/g, (_, name: string) => named[name]).trim();
}
