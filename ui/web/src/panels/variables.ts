// What stands in the place of `$name` and of Grafana's macros. Filled in where the question is asked:
// only the page knows how wide a panel is and which range is looked at.
import type { Span } from "../lib/time";

/** What was chosen. */
export interface Chosen {
  values: string[];
  /** Every value there is: what this stands for then. */
  all?: string;
  /** Several may be chosen: values are regular expressions. */
  multi: boolean;
}

export type Env = ReadonlyMap<string, Chosen>;

export interface Around {
  env: Env;
  span: Span;
  stepS: number;
}

/** How often series are assumed to be written, in s. */
const SCRAPE_S = 15;

const duration = (s: number) => (s % 3600 === 0 ? `${s / 3600}h` : s % 60 === 0 ? `${s / 60}m` : `${Math.max(1, Math.round(s))}s`);
const regex = (text: string) => text.replace(/[\\^$*+?.()|[\]{}]/g, "\\$&");
const inString = (text: string) => text.replace(/\\/g, "\\\\").replace(/"/g, '\\"');

function macro(name: string, { span, stepS }: Around): string | undefined {
  const range = Math.max(1, Math.round((span.end - span.start) / 1000));
  // A rate needs two samples, also where one is late.
  const rate = Math.max(4 * SCRAPE_S, stepS + SCRAPE_S);
  switch (name) {
    case "__rate_interval": return duration(rate);
    case "__interval": case "__auto": case "__auto_interval": return duration(stepS);
    case "__interval_ms": return String(stepS * 1000);
    case "__rate_interval_ms": return String(rate * 1000);
    case "__range": return duration(range);
    case "__range_s": return String(range);
    case "__range_ms": return String(range * 1000);
    case "__from": return String(Math.round(span.start));
    case "__to": return String(Math.round(span.end));
    default: return undefined;
  }
}

/** One value, or all of them, as the place wants it. */
function written(chosen: Chosen, how: string | undefined): string {
  const { values, all, multi } = chosen;
  switch (how) {
    case "raw": case "text": return all ?? values.join(",");
    case "csv": return values.join(",");
    case "pipe": return all ?? values.join("|");
    case "regex": return all ?? (values.length === 1 ? regex(values[0]) : `(${values.map(regex).join("|")})`);
    case "doublequote": return values.map((one) => `"${inString(one)}"`).join(",");
    case "singlequote": return values.map((one) => `'${one.replace(/'/g, "\\'")}'`).join(",");
    case "json": return JSON.stringify(values);
    case "percentencode": return encodeURIComponent(values.join(","));
    default: {
      if (all !== undefined) return all;
      if (!multi) return inString(values[0] ?? "");
      const quoted = values.map((one) => inString(regex(one)));
      return quoted.length === 1 ? quoted[0] : `(${quoted.join("|")})`;
    }
  }
}

const PLACE = /\$\{(\w+)(?::([\w-]+))?(?:\.[\w.]+)?\}|\[\[(\w+)(?::(\w+))?\]\]|\$([A-Za-z_]\w*)/g;

/** Fills in variables and macros; what is not known stays as it is. A value may be a macro (`auto`). */
export function expand(text: string, around: Around, depth = 0): string {
  return text.replace(PLACE, (whole, braced, how, bracketed, bracketedHow, plain) => {
    const name = (braced ?? bracketed ?? plain) as string;
    const value = macro(name, around);
    if (value !== undefined) return value;
    const chosen = around.env.get(name);
    if (!chosen) return whole;
    const text = written(chosen, how ?? bracketedHow);
    return depth < 3 && text.includes("$") ? expand(text, around, depth + 1) : text;
  });
}

/** For titles and texts: values as people read them. */
export function expandText(text: string, around: Around): string {
  return text.replace(PLACE, (whole, braced, _how, bracketed, _how2, plain) => {
    const name = (braced ?? bracketed ?? plain) as string;
    const chosen = around.env.get(name);
    return macro(name, around) ?? (chosen ? (chosen.all !== undefined ? "All" : chosen.values.join(" + ")) : whole);
  });
}

/** The variables that a text names. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(PLACE)].map((found) => (found[1] ?? found[3] ?? found[5]) as string);
}

/** Several values in one parameter of the URL. */
export const join = (values: readonly string[]) => values.map((one) => one.replace(/[%,]/g, (c) => (c === "%" ? "%25" : "%2C"))).join(",");
export const split = (text: string) => text.split(",").map((one) => one.replace(/%2C/g, ",").replace(/%25/g, "%"));
