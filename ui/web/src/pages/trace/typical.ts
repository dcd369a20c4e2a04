// How long the operation of a span takes otherwise: its p50 and p99 in the hour before.
import { useLoad } from "../../lib/load";
import { ask } from "../../lib/api";
import { formatNs } from "../../lib/units";

export interface Operation {
  name: string;
  kind: string;
  spans_per_second: number | null;
  errors_ratio: number | null;
  p50_ns: number | null;
  p99_ns: number | null;
}

export interface Typical {
  p50: number;
  p99: number | null;
}

const HOUR_MS = 3_600_000;

export function useTypical(service: string, name: string, kind: string, atMs: number): Typical | null {
  // To the minute, so that the spans of a trace ask the same.
  const end = Math.ceil(atMs / 60_000) * 60_000 + 60_000;
  const loaded = useLoad(`${service} ${end}`, async (signal) => {
    const answer = await ask<{ operations?: Operation[] }>(`/api/v1/services/${encodeURIComponent(service)}`, { start: (end - HOUR_MS) / 1000, end: end / 1000 }, signal);
    return { service, operations: answer.data.operations ?? [] };
  });
  if (loaded.data?.service !== service) return null;
  const same = loaded.data.operations.filter((one) => one.name === name && one.p50_ns !== null);
  const found = same.find((one) => one.kind === kind) ?? same[0];
  return found ? { p50: found.p50_ns!, p99: found.p99_ns } : null;
}

/** `3.1× the p50 (1.1 ms), above the p99 (3 ms)`. */
export function compareTypical(durationNs: number, { p50, p99 }: Typical): { text: string; isSlow: boolean } {
  const times = durationNs / Math.max(p50, 1);
  const ratio = times >= 10 ? times.toFixed(0) : times.toFixed(1);
  const near = times > 0.8 && times < 1.25;
  const isSlow = p99 !== null && durationNs > p99 * 1.05 && times > 1.25;
  const middle = near ? `about the p50 (${formatNs(p50)})` : times >= 1 ? `${ratio}× the p50 (${formatNs(p50)})` : `${(100 * times).toFixed(0)} % of the p50 (${formatNs(p50)})`;
  const high = p99 === null ? "" : isSlow ? `, slower than the p99 (${formatNs(p99)})` : `; p99 ${formatNs(p99)}`;
  return { text: `${middle}${high}, last hour`, isSlow };
}
