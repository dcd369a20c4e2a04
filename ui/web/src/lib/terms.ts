// Terms of the search language, written so that they mean exactly the value they came from.

/** Characters that would end a bare value or mean something in it. */
const NEEDS_QUOTES = /[\s"'()\\*?:<>=!/,|~-]|^$/;

/** `key:value`, in quotes where the value needs them. */
export function term(key: string, value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `${escapeKey(key)}:${NEEDS_QUOTES.test(text) ? quoted(text) : text}`;
}

const quoted = (text: string) => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;

const escapeKey = (key: string) => key.replace(/[\s"():<>=!\\*?]/g, (c) => `\\${c}`);

/** Adds a term to a search unless it stands there; takes it away when `toggle` is set and it does. */
export function withTerm(search: string, added: string, toggle = false): string {
  const words = splitTerms(search);
  if (words.includes(added)) return toggle ? words.filter((word) => word !== added).join(" ") : search;
  return [...words, added].join(" ");
}

/** Takes away all terms of a key: `duration>5ms` and `duration<1s` for `duration`. */
export function withoutKey(search: string, key: string): string {
  return splitTerms(search).filter((word) => !new RegExp(`^${key.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*(:|=|!=|<|>)`).test(word)).join(" ");
}

/** Splits at spaces outside quotes, parentheses and regular expressions. */
export function splitTerms(search: string): string[] {
  const words: string[] = [];
  let [word, inQuotes, depth] = ["", false, 0];
  for (let i = 0; i < search.length; i++) {
    const c = search[i];
    if (c === "\\") {
      word += c + (search[++i] ?? "");
      continue;
    }
    if (c === '"') inQuotes = !inQuotes;
    else if (!inQuotes && c === "(") depth++;
    else if (!inQuotes && c === ")") depth--;
    if (/\s/.test(c) && !inQuotes && depth <= 0) {
      if (word) words.push(word);
      word = "";
    } else word += c;
  }
  if (word) words.push(word);
  return words;
}
