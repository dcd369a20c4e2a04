// Numbers as a board wants them: Perses' units, decimals, texts for values, colours by threshold.
import { digits, format as plain, formatBytes, formatNs, type Unit } from "../lib/units";
import { listOf, numberOf, textOf, treeOf, type Tree } from "./model";

export interface Format {
  unit: string;
  decimals?: number;
}

export function formatOf(tree: Tree | undefined): Format {
  return { unit: textOf(tree, "unit") ?? "decimal", decimals: numberOf(tree, "decimalPlaces") };
}

const TIMES: Record<string, number> = { nanoseconds: 1, microseconds: 1e3, milliseconds: 1e6, seconds: 1e9, minutes: 6e10, hours: 36e11, days: 864e11, weeks: 6048e11, months: 2592e12, years: 31536e12 };
const PER_SECOND = /^(ops|requests|packets|counts|events|messages|reads|writes|rows|records)\/sec$/;
const BYTES: Record<string, number> = { kibibytes: 1024, mebibytes: 1024 ** 2, gibibytes: 1024 ** 3, kilobytes: 1e3, megabytes: 1e6, gigabytes: 1e9 };

/** The unit of a chart's axis. */
export function axisUnit({ unit }: Format): Unit {
  if (unit === "seconds") return "s";
  if (unit === "milliseconds") return "ms";
  if (unit === "nanoseconds") return "ns";
  if (unit === "percent-decimal") return "ratio";
  if (unit === "percent" || unit === "%") return "percent";
  if (/^(dec)?bytes\/sec$/.test(unit)) return "bytes/s";
  if (/^(dec)?bytes$/.test(unit)) return "bytes";
  return PER_SECOND.test(unit) ? "/s" : "short";
}

/** A value as `412`, `1.84 s`, `3.1 MiB`; the unit apart, to be written smaller. */
export function parts(value: number | null, format: Format): [string, string] {
  const text = formatted(value, format);
  const at = /[\s\u202f](?=[^\s\d]*$)/.exec(text);
  return at ? [text.slice(0, at.index), text.slice(at.index + 1)] : [text, ""];
}

export function formatted(value: number | null | undefined, { unit, decimals }: Format): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const fixed = (n: number) => (decimals === undefined || !Number.isFinite(n) ? digits(n) : n.toFixed(Math.min(decimals, 12)).replace("-", "−"));
  if (unit in TIMES) return formatNs(value * TIMES[unit]);
  if (unit in BYTES) return formatBytes(value * BYTES[unit]);
  if (unit === "percent-decimal") return decimals === undefined ? plain(value, "ratio") : `${fixed(value * 100)} %`;
  if (unit === "percent" || unit === "%") return `${fixed(value)} %`;
  if (unit === "bytes") return formatBytes(value);
  if (unit === "bytes/sec") return `${formatBytes(value)}/s`;
  if (unit === "decbytes") return `${spaced(value)}B`;
  if (unit === "decbytes/sec" || unit === "kilobytes/sec" || unit === "megabytes/sec") return `${spaced(value * (unit[0] === "k" ? 1e3 : unit[0] === "m" ? 1e6 : 1))}B/s`;
  if (/^(dec)?bits(\/sec)?$/.test(unit)) return `${spaced(value)}b${unit.endsWith("/sec") ? "/s" : ""}`;
  if (PER_SECOND.test(unit)) return plain(value, "/s");
  if (unit === "ops/min") return `${spaced(value)}/min`;
  if (unit === "hertz") return `${spaced(value)}Hz`;
  if (unit === "decimal" || unit === "") return decimals === undefined ? plain(value, "short") : fixed(value);
  return `${spaced(value)}${unit}`;
}

const SI: [number, string][] = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function spaced(value: number): string {
  const scale = SI.find(([size]) => Math.abs(value) >= size * 0.9995);
  return scale ? `${digits(value / scale[0])} ${scale[1]}` : `${digits(value)} `;
}

/** A colour of a board as one of ours where it means a state: legible in both themes. */
export function shade(colour: string | undefined): string | undefined {
  const hex = /^#([0-9a-f]{6})/i.exec(colour ?? "");
  if (!hex) return undefined;
  const [r, g, b] = [0, 2, 4].map((at) => parseInt(hex[1].slice(at, at + 2), 16));
  const [max, min] = [Math.max(r, g, b), Math.min(r, g, b)];
  if (max - min < 24) return "--fg";
  const hue = (max === r ? ((g - b) / (max - min) + 6) % 6 : max === g ? (b - r) / (max - min) + 2 : (r - g) / (max - min) + 4) * 60;
  if (hue < 20 || hue > 330) return "--err";
  if (hue < 70) return "--warn";
  if (hue < 175) return "--ok";
  return hue < 265 ? "--info" : "--c7";
}

/** The token of a value by its thresholds; nothing where there are none. */
export function stateOf(value: number | null, thresholds: Tree | undefined, max = 1): string | undefined {
  if (value === null || thresholds === undefined) return undefined;
  const percent = textOf(thresholds, "mode") === "percent";
  let colour = textOf(thresholds, "defaultColor");
  for (const step of listOf(thresholds, "steps")) {
    const limit = numberOf(step, "value");
    if (limit !== undefined && value >= (percent ? (limit / 100) * max : limit)) colour = textOf(step, "color") ?? colour;
  }
  return shade(colour);
}

/** The text that stands for a value, and its colour. */
export function mapped(value: number | string | null, mappings: readonly Tree[]): { text?: string; colour?: string } | undefined {
  for (const { kind, spec } of mappings as unknown as { kind: string; spec: Tree }[]) {
    if (!spec || !matches(value, kind, spec)) continue;
    const result = treeOf(spec, "result");
    return { text: textOf(result, "value") || undefined, colour: shade(textOf(result, "color")) };
  }
  return undefined;
}

function matches(value: number | string | null, kind: string, spec: Tree): boolean {
  const wanted = spec.value;
  if (kind === "Value") return value === null ? wanted === "null" : String(value) === String(wanted);
  if (kind === "Range") return typeof value === "number" && value >= (numberOf(spec, "from") ?? -Infinity) && value <= (numberOf(spec, "to") ?? Infinity);
  if (kind === "Misc") return wanted === "null" ? value === null : wanted === "null+nan" ? value === null || Number.isNaN(value) : wanted === "nan" ? Number.isNaN(value) : wanted === "empty" ? value === "" : String(value) === wanted;
  const regex = kind === "Regex" ? patternOf(textOf(spec, "pattern") ?? "") : null;
  return regex?.test(String(value)) ?? false;
}

/** A regular expression of a board, `/x/` or `x`; null where it is none. */
export function patternOf(text: string): RegExp | null {
  const slashed = /^\/(.*)\/([imsu]*)$/s.exec(text);
  try {
    return slashed ? new RegExp(slashed[1], slashed[2]) : new RegExp(text);
  } catch {
    return null;
  }
}
