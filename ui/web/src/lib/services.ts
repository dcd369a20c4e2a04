// Colours of services: assigned over all services of the tenant, so that a filter, another page or
// another reader sees the same colour for the same service.
import { ask } from "./api";
import { assignColours, colourToken } from "./palette";
import { param } from "./router";

const KEPT_MS = 300_000;
const kept = new Map<string, { at: number; names: Promise<string[]> }>();

/** Returns the names of all services that sent spans; none when the server does not know. */
export function serviceNames(): Promise<string[]> {
  const tenant = param("tenant");
  const known = kept.get(tenant);
  if (known && Date.now() - known.at < KEPT_MS) return known.names;
  const names = ask<string[]>("/api/v1/label/service/values", { "match[]": "traces_spanmetrics_calls_total" })
    .then(({ data }) => data)
    .catch(() => {
      // Colours are no reason for a page to fail; the next page asks again.
      kept.delete(tenant);
      return [];
    });
  kept.set(tenant, { at: Date.now(), names });
  return names;
}

/** How a service is drawn: after eight services the colours come again, striped, then dotted. */
export interface Hue {
  /** A colour token, for canvases. */
  token: string;
  round: number;
  /** A CSS background. */
  css: string;
}

export type Hues = (service: string) => Hue;

const STRIPES = ["", "repeating-linear-gradient(135deg, var(#) 0 3px, color-mix(in srgb, var(#) 45%, var(--bg-1)) 3px 6px)", "repeating-linear-gradient(90deg, var(#) 0 3px, color-mix(in srgb, var(#) 45%, var(--bg-1)) 3px 5px)"];

/** Returns how each service is drawn. */
export function serviceHues(all: readonly string[], shown: readonly string[]): Hues {
  const hues = new Map<string, Hue>();
  const rounds: number[] = [];
  // Names that are no services of the tenant (databases, services of a moment ago) come after them, so that they move nobody.
  const known = new Set(all);
  for (const [name, slot] of [...assignColours(all), ...assignColours(shown.filter((one) => !known.has(one)))]) {
    const round = (rounds[slot] = (rounds[slot] ?? -1) + 1);
    const token = colourToken(slot);
    hues.set(name, { token, round, css: round === 0 ? `var(${token})` : STRIPES[Math.min(round, 2)].replaceAll("#", token) });
  }
  return (service) => hues.get(service) ?? { token: "--c-ctx", round: 0, css: "var(--c-ctx)" };
}
