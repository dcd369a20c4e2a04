// A suspected cause: the deploy nearest before the errors began, and the attribute that nearly all errors
// share while other rows do not. Both are counted by the server over all rows.
import { ask } from "../../lib/api";
import type { Facet } from "../../lib/model";
import { formatMinute, type Span } from "../../lib/time";
import { formatRatio } from "../../lib/units";

export interface Cause {
  deploy?: { version: string; at: number };
  attributes: Shared[];
}

/** A value that most errors have and most other rows have not. */
export interface Shared {
  key: string;
  value: string;
  share: number;
}

interface Facets {
  facets: Facet[];
  rows: number;
}

/** Keys that tell one row from another and explain nothing. */
const DENIED = /^(level|service|trace|span)$|(^|[._])(id|uuid|thread|pid|port|timestamp)$/;
const SHARE_MIN = 0.7;
/** Share of the errors that must have a key. */
const SAID_MIN = 0.3;

/** Returns the values whose share of the errors is most above their share of everything, two at most. */
export function standsOut(bad: Facets, all: Facets): Shared[] {
  if (bad.rows < 5) return [];
  const found: (Shared & { lift: number })[] = [];
  for (const facet of bad.facets.filter((f) => !DENIED.test(f.key))) {
    const top = facet.values[0];
    // What few of them say at all explains few of them.
    if (!top || facet.rows < bad.rows * SAID_MIN) continue;
    const share = top.count / facet.rows;
    const usual = all.facets.find((f) => f.key === facet.key);
    const base = usual?.values.find((v) => v.value === top.value)?.count ?? 0;
    const lift = share - base / Math.max(usual?.rows ?? 0, 1);
    if (share >= SHARE_MIN && lift > 0.25) found.push({ key: facet.key, value: top.value, share, lift });
  }
  return found.sort((a, b) => b.lift - a.lift).slice(0, 2).map(({ key, value, share }) => ({ key, value, share }));
}

export async function suspect(service: string, span: Span, signal: AbortSignal): Promise<Cause> {
  const times = { start: span.start / 1000, end: span.end / 1000 };
  const named = `service:${JSON.stringify(service)}`;
  const about = ask<{ deploys: { version: string; first_seen_ms: number }[] }>(`/api/v1/services/${encodeURIComponent(service)}`, times, signal).catch(() => null);
  const bad = await ask<Facets>("/api/v1/logs/facets", { q: `${named} level>=error`, ...times }, signal).catch(() => null);
  const keys = bad?.data.facets.filter((f) => !DENIED.test(f.key)).map((f) => f.key).join(",");
  const all = keys ? await ask<Facets>("/api/v1/logs/facets", { q: named, keys, ...times }, signal).catch(() => null) : null;
  const deploys = (await about)?.data.deploys.filter((d) => d.first_seen_ms > span.start + 60_000) ?? [];
  const last = deploys.sort((a, b) => b.first_seen_ms - a.first_seen_ms)[0];
  return {
    deploy: last && { version: last.version, at: last.first_seen_ms },
    // The deploy says the version already.
    attributes: bad && all ? standsOut(bad.data, all.data).filter(({ value }) => value !== last?.version) : [],
  };
}

/** `deployed 2.14.1 at 10:52 · 96 % of its errors have gateway=eu-2`, as parts. */
export function causeParts({ deploy, attributes }: Cause): { text: string; strong: string; after: string }[] {
  const parts: { text: string; strong: string; after: string }[] = [];
  if (deploy) parts.push({ text: "deployed ", strong: deploy.version, after: ` at ${formatMinute(deploy.at)}` });
  for (const { key, value, share } of attributes) parts.push({ text: `${formatRatio(share)} of its errors have `, strong: `${key}=${value}`, after: "" });
  return parts;
}
