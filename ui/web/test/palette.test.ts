// The tokens are legible and the colours can be told apart, by everybody: contrasts of WCAG, distances in
// OKLab under normal, protan, deutan and tritan sight (Machado 2009, severity 1, in linear RGB).
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

type Rgb = [number, number, number];
const css = readFileSync(new URL("../src/ui/tokens.css", import.meta.url), "utf8");
const tokens = { light: new Map<string, Rgb>(), dark: new Map<string, Rgb>() };
for (const [, name, light, dark] of css.matchAll(/--([\w-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)/g)) {
  tokens.light.set(name, linear(light));
  tokens.dark.set(name, linear(dark));
}

function linear(hex: string): Rgb {
  return [0, 2, 4].map((at) => {
    const c = parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
}

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

const SIGHTS: Record<string, number[][]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function seen(color: Rgb, sight: string): Rgb {
  return SIGHTS[sight].map((row) => Math.min(1, Math.max(0, row.reduce((sum, k, i) => sum + k * color[i], 0)))) as Rgb;
}

function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

/** Which surfaces a text token may lie on. */
const TEXT: Record<string, string[]> = {
  fg: ["bg", "bg-1", "bg-2", "bg-3", "accent-bg"],
  "fg-2": ["bg", "bg-1", "bg-2", "bg-3", "accent-bg"],
  "fg-3": ["bg", "bg-1"],
  accent: ["bg", "bg-1", "bg-2", "accent-bg"],
  "accent-fg": ["accent"],
  ok: ["bg-1", "ok-bg"],
  warn: ["bg-1", "warn-bg"],
  err: ["bg-1", "err-bg"],
  info: ["bg-1"],
};

describe.each(["light", "dark"] as const)("%s", (theme) => {
  const of = (name: string) => tokens[theme].get(name)!;
  const colours = Array.from({ length: 8 }, (_, i) => `c${i + 1}`);

  it.each(Object.entries(TEXT))("%s is legible on its surfaces", (text, surfaces) => {
    for (const surface of surfaces) expect(contrast(of(text), of(surface)), surface).toBeGreaterThanOrEqual(4.5);
  });

  it("draws colours that stand out from the panel", () => {
    for (const colour of colours) expect(contrast(of(colour), of("bg-1")), colour).toBeGreaterThanOrEqual(3 - 0.005);
  });

  it.each(Object.keys(SIGHTS))("draws colours that %s sight tells apart", (sight) => {
    colours.forEach((a, i) => {
      for (const b of colours.slice(i + 1)) {
        const [x, y] = [oklab(seen(of(a), sight)), oklab(seen(of(b), sight))];
        expect(Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]), `${a} ${b}`).toBeGreaterThanOrEqual(0.08);
      }
    });
  });
});
