// The text of a search as a list of terms, and changes to it: the text stays what the reader wrote,
// only the term that is meant is put in, replaced or taken out. The rules are those of the server's
// lexer; what cannot be read (an open quote) is one term, and the server says what is wrong with it.

export type Op = ":" | "!=" | ">=" | "<=" | "=" | ">" | "<";
const OPS: readonly Op[] = [":", "!=", ">=", "<=", "=", ">", "<"];

export interface Term {
  /** Where it stands in the text, a `-` or `NOT` in front included. */
  start: number;
  end: number;
  text: string;
  kind: "text" | "field" | "group" | "keyword";
  negated: boolean;
  key?: string;
  op?: Op;
  /** The value without quotes and escapes; undefined where it is a pattern. */
  value?: string;
  /** What a group holds. */
  inner?: Term[];
}

const endsValue = (c: string) => /[\s()"]/.test(c);

/** Reads a text into terms and the words between them. */
export function terms(text: string): Term[] {
  return new Reader(text).list(false);
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  list(inGroup: boolean): Term[] {
    const found: Term[] = [];
    for (;;) {
      this.spaces();
      if (this.at >= this.text.length) return found;
      if (this.text[this.at] === ")") {
        if (inGroup) return found;
        // Nothing is open here: a term of its own, so that it can be taken out.
        found.push(this.made({ start: this.at, kind: "text", negated: false }, ++this.at));
        continue;
      }
      found.push(this.term());
    }
  }

  private term(): Term {
    const start = this.at;
    let negated = false;
    for (;;) {
      if (this.text[this.at] === "-" && /\S/.test(this.text[this.at + 1] ?? " ")) this.at++;
      else if (/^NOT(?=[\s(])/.test(this.text.slice(this.at, this.at + 4))) {
        this.at += 3;
        this.spaces();
      } else break;
      negated = !negated;
    }
    if (this.text[this.at] === "(") {
      this.at++;
      const inner = this.list(true);
      if (this.text[this.at] === ")") this.at++;
      return this.made({ start, kind: "group", negated, inner }, this.at);
    }
    const key = this.piece(false);
    const op = key.regex ? undefined : OPS.find((one) => this.text.startsWith(one, this.at));
    if (op === undefined) {
      const isWord = !key.quoted && !negated && /^(AND|OR)$/.test(key.raw);
      if (this.at === start) this.at++;
      return this.made({ start, kind: isWord ? "keyword" : "text", negated, value: key.text }, this.at);
    }
    this.at += op.length;
    const value = this.piece(true);
    return this.made({ start, kind: "field", negated, key: key.text ?? key.raw, op, value: value.text }, this.at);
  }

  /** Reads a word, a phrase or an expression. */
  private piece(isValue: boolean): { raw: string; text?: string; quoted: boolean; regex: boolean } {
    const start = this.at;
    const first = this.text[start];
    if (first === '"' || first === "/") {
      this.at++;
      while (this.at < this.text.length && this.text[this.at] !== first) this.at += this.text[this.at] === "\\" ? 2 : 1;
      this.at = Math.min(this.at + 1, this.text.length);
      const raw = this.text.slice(start, this.at);
      return { raw, text: first === '"' ? unquote(raw) : undefined, quoted: true, regex: first === "/" };
    }
    while (this.at < this.text.length) {
      const c = this.text[this.at];
      if (endsValue(c) || (!isValue && (/[:=<>]/.test(c) || this.text.startsWith("!=", this.at)))) break;
      this.at += c === "\\" ? 2 : 1;
    }
    this.at = Math.min(this.at, this.text.length);
    const raw = this.text.slice(start, this.at);
    const isPattern = /(^|[^\\])(\\\\)*\*/.test(raw);
    return { raw, text: isPattern ? undefined : raw.replace(/\\(.)/gs, "$1"), quoted: false, regex: false };
  }

  private made(term: Omit<Term, "end" | "text">, end: number): Term {
    return { ...term, end, text: this.text.slice(term.start, end) };
  }

  private spaces() {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
  }
}

const ESCAPES: Record<string, string> = { n: "\n", r: "\r", t: "\t" };

function unquote(raw: string): string {
  const inner = raw.replace(/^"/, "").replace(/"$/, "");
  return inner.replace(/\\(.)/gs, (_, c: string) => ESCAPES[c] ?? c);
}

/** A text as a phrase. */
export function phrase(text: string): string {
  const escaped = text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t");
  return `"${escaped}"`;
}

/** A key as it stands in a search. */
export function keyText(key: string): string {
  const owner = /^@(attr|resource|scope)\./.exec(key)?.[0] ?? "";
  const name = key.slice(owner.length).replace(/[\s():"=<>!*\\]/g, "\\$&");
  return owner + (owner === "" && /^[-/@]/.test(name) ? `\\${name}` : name);
}

/** A value as it stands behind `:`, in quotes where it needs them. */
export function valueText(value: string): string {
  return value === "" || /[\s()"*\\]|^[/<>=]/.test(value) ? phrase(value) : value;
}

/** `key:value`. */
export const termText = (key: string, value: string) => `${keyText(key)}:${valueText(value)}`;

/** Which values of a key a search includes and excludes. */
export function chosen(text: string, key: string): { included: Set<string>; excluded: Set<string> } {
  const included = new Set<string>();
  const excluded = new Set<string>();
  for (const term of terms(text)) {
    for (const value of valuesOf(term, key)) (term.negated ? excluded : included).add(value);
  }
  return { included, excluded };
}

/** The values that a term, or a group of alternatives, wants of a key. */
function valuesOf(term: Term, key: string): string[] {
  if (term.kind === "field") return term.key === key && term.op === ":" && term.value !== undefined ? [term.value] : [];
  if (term.kind !== "group" || !term.inner) return [];
  const fields = term.inner.filter((one) => one.kind !== "keyword");
  const isList = term.inner.every((one, i) => (i % 2 === 1 ? one.text === "OR" : one.kind === "field" && !one.negated));
  if (!isList) return [];
  const values = fields.flatMap((one) => valuesOf(one, key));
  return values.length === fields.length ? values : [];
}

/** Takes a term out, and the AND or OR that would be left over. */
export function without(text: string, term: Term): string {
  const all = terms(text);
  const at = all.findIndex((one) => one.start === term.start);
  if (at < 0) return text;
  const [before, after] = [all[at - 1], all[at + 1]];
  const gone = new Set([at]);
  if (before?.kind === "keyword" && (!after || after.kind === "keyword")) gone.add(at - 1);
  else if (!before && after?.kind === "keyword") gone.add(at + 1);
  return joined(all.filter((_, i) => !gone.has(i)));
}

const joined = (list: readonly Term[]) => list.map((one) => one.text).join(" ");

/** Takes out all that a search says of the values of a key. */
export function withoutKey(text: string, key: string): string {
  let left = text;
  for (;;) {
    const term = terms(left).find((one) => valuesOf(one, key).length > 0);
    if (!term) return left;
    left = without(left, term);
  }
}

/** Takes out all that a search says of a key, with whatever operator: `duration>5ms` and `duration<1s`. */
export function withoutBounds(text: string, key: string): string {
  let left = text;
  for (;;) {
    const term = terms(left).find((one) => one.kind === "field" && one.key === key);
    if (!term) return left;
    left = without(left, term);
  }
}

/** Puts a term behind a search; what has alternatives is taken in parentheses. */
export function withTerm(text: string, term: string): string {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "*") return term;
  const all = terms(trimmed);
  if (all.some((one) => one.text === term)) return trimmed;
  return all.some((one) => one.kind === "keyword" && one.text === "OR") ? `(${trimmed}) ${term}` : `${trimmed} ${term}`;
}

/** Includes a value beside others of its key, or no longer; or excludes it, or no longer. */
export function toggle(text: string, key: string, value: string, how: "include" | "exclude"): string {
  const { included, excluded } = chosen(text, key);
  const [set, other] = how === "include" ? [included, excluded] : [excluded, included];
  other.delete(value);
  if (!set.delete(value)) set.add(value);
  return build(withoutKey(text, key), key, included, excluded);
}

/** Wants this value alone. */
export function only(text: string, key: string, value: string): string {
  return build(withoutKey(text, key), key, new Set([value]), new Set());
}

function build(rest: string, key: string, included: ReadonlySet<string>, excluded: ReadonlySet<string>): string {
  const wanted = [...included].map((value) => termText(key, value));
  let text = rest.trim();
  if (wanted.length === 1) text = withTerm(text, wanted[0]);
  else if (wanted.length > 1) text = withTerm(text, `(${wanted.join(" OR ")})`);
  for (const value of excluded) text = withTerm(text, `-${termText(key, value)}`);
  return text;
}
