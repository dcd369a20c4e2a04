// Ranges, expressions and the reader's zone. A range is two texts, relative (`now-1h`) or an instant
// in UTC; what they mean in ms is worked out when data is asked for, so a shared link stays live or pinned as it was.
import { computed, signal } from "@preact/signals";
import { oneOf, preference } from "./prefs";
import { param, setParams } from "./router";

export interface Span {
  start: number;
  end: number;
}

/** Where a range begins that nobody chose; shorter while there is little to see. */
export const defaultFrom = signal("now-1h");
const UNIT_MS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, y: 31536e6 };

/** The reader's zone: the browser's, UTC, or an IANA name. */
export const zone = preference<string>("zone", "browser", (value) => typeof value === "string" && isZone(value));
/** Seconds between refreshes; 0 means only when asked. */
export const refreshEvery = preference<number>("refresh", 0, oneOf(0, 5, 10, 30, 60, 300));
/** Counts refreshes: what depends on it asks again. */
export const tick = signal(0);

export function isZone(name: string): boolean {
  if (name === "browser" || name === "UTC") return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export const from = computed(() => param("from") || defaultFrom.value);
export const to = computed(() => param("to") || "now");
export const isLive = computed(() => from.value.startsWith("now") && to.value.startsWith("now"));

/** The range in ms, as of the last refresh. */
export const range = computed<Span>(() => {
  tick.value;
  const now = Date.now();
  const start = parseTime(from.value, now) ?? now - UNIT_MS.h;
  const end = parseTime(to.value, now) ?? now;
  return start < end ? { start, end } : { start: end - UNIT_MS.h, end };
});

export function refresh() {
  tick.value++;
}

export function setRange(newFrom: string, newTo: string) {
  setParams({ from: newFrom === defaultFrom.value && newTo === "now" ? null : newFrom, to: newTo === "now" ? null : newTo });
  refresh();
}

/** Pins the range to instants. */
export function setSpan(span: Span) {
  const [start, end] = [Math.floor(span.start), Math.ceil(span.end)];
  setRange(iso(start), iso(Math.max(end, start + 1000)));
}

/** Makes the range wider around its middle. */
export function zoomOut() {
  const { start, end } = range.value;
  const half = end - start;
  setSpan({ start: (start + end) / 2 - half, end: Math.min((start + end) / 2 + half, Date.now()) });
}

/** Moves the range by its half. */
export function shift(direction: -1 | 1) {
  const { start, end } = range.value;
  const by = ((end - start) / 2) * direction;
  setSpan({ start: start + by, end: end + by });
}

/** Reads `90m`, `1h30m`, `2d`: ms, or null. */
export function parseDuration(text: string): number | null {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join("") !== text.trim().replace(/\s+/g, "")) return null;
  return parts.reduce((sum, p) => sum + Number(p[1]) * UNIT_MS[p[2]], 0);
}

/** Reads `now`, `now-1h30m`, an ISO time (without a zone: the reader's), or s, ms, µs, ns since the epoch. */
export function parseTime(text: string, now: number): number | null {
  const trimmed = text.trim();
  if (trimmed === "now") return now;
  const relative = /^now\s*([+-])\s*(.+)$/.exec(trimmed);
  if (relative) {
    const by = parseDuration(relative[2]);
    return by === null ? null : relative[1] === "-" ? now - by : now + by;
  }
  if (/^\d{9,19}(\.\d+)?$/.test(trimmed)) {
    const n = Number(trimmed);
    return n < 1e11 ? n * 1e3 : n < 1e14 ? n : n < 1e17 ? n / 1e3 : n / 1e6;
  }
  const date = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(trimmed);
  if (!date) return null;
  const [, y, mo, d, h = "0", mi = "0", s = "0", fraction = "0", offset] = date;
  const utc = Date.UTC(+y, +mo - 1, +d, +h, +mi, +s, Math.floor(Number(`0.${fraction}`) * 1000));
  if (Number.isNaN(utc)) return null;
  if (offset) {
    if (/z/i.test(offset)) return utc;
    const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
    return utc - (offset[0] === "-" ? -1 : 1) * minutes * 60_000;
  }
  return utc - offsetMs(utc);
}

/** Returns how far the reader's zone is ahead of UTC at about that time. */
function offsetMs(utc: number): number {
  const parts = formatter("parts").formatToParts(utc);
  const of = (type: string) => Number(parts.find((p) => p.type === type)?.value ?? 0);
  return Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second")) - Math.floor(utc / 1000) * 1000;
}

export const iso = (ms: number) => new Date(ms).toISOString().replace(/\.000Z$/, "Z");

const DATE: Intl.DateTimeFormatOptions = { year: "numeric", month: "2-digit", day: "2-digit" };
const CLOCK: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const FORMS: Record<string, Intl.DateTimeFormatOptions> = {
  parts: { ...DATE, ...CLOCK, second: "2-digit" },
  minute: CLOCK,
  second: { ...CLOCK, second: "2-digit" },
  day: { month: "2-digit", day: "2-digit" },
};
// A formatter costs about a millisecond to make, so they are kept.
const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(form: string): Intl.DateTimeFormat {
  const key = `${form} ${zone.value}`;
  let made = formatters.get(key);
  if (!made) {
    const timeZone = zone.value === "browser" ? undefined : zone.value;
    made = new Intl.DateTimeFormat("en-CA", { ...FORMS[form], timeZone });
    formatters.set(key, made);
  }
  return made;
}

export const formatMinute = (ms: number) => formatter("minute").format(ms);
export const formatSecond = (ms: number) => formatter("second").format(ms);
export const formatDay = (ms: number) => formatter("day").format(ms);

/** `2026-11-21 23:38:02`, in the reader's zone; with ms: `….326`. */
export function formatTime(ms: number, withMs = false): string {
  const parts = formatter("parts").formatToParts(ms);
  const of = (type: string) => parts.find((p) => p.type === type)?.value ?? "";
  const whole = `${of("year")}-${of("month")}-${of("day")} ${of("hour")}:${of("minute")}:${of("second")}`;
  return withMs ? `${whole}.${String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, "0")}` : whole;
}

/** A tick of a time axis: the time, with the date in its place at midnight. */
export function formatTick(ms: number, stepMs: number): string {
  const time = formatMinute(ms);
  if (time === "00:00" || stepMs >= UNIT_MS.d) return formatDay(ms);
  return stepMs < UNIT_MS.m ? formatSecond(ms) : time;
}

/** `Last 1h`, or both ends. */
export function rangeLabel(): string {
  if (to.value === "now" && /^now-/.test(from.value)) return `Last ${from.value.slice(4)}`;
  const now = Date.now();
  const ends = [from.value, to.value].map((text) => {
    if (text.startsWith("now")) return text;
    const ms = parseTime(text, now);
    return ms === null ? text : formatTime(ms).slice(0, 16);
  });
  return ends[0].slice(0, 10) === ends[1].slice(0, 10) ? `${ends[0]} – ${ends[1].slice(11)}` : `${ends[0]} – ${ends[1]}`;
}

/** `3 min ago`, `in 2 h`. */
export function ago(ms: number, now = Date.now()): string {
  const by = Math.abs(now - ms);
  const text = by < 1000 ? "now" : shortDuration(by);
  if (text === "now") return text;
  return ms <= now ? `${text} ago` : `in ${text}`;
}

/** `40 s`, `12 min`, `9 h`, `3 d`: one unit, for sentences. */
export function shortDuration(ms: number): string {
  if (ms < 60_000) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

const STEPS_S = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

/** Returns a step in seconds with which a range has at most `points` points. */
export function stepFor(span: Span, points: number): number {
  const wanted = (span.end - span.start) / 1000 / Math.max(points, 10);
  return STEPS_S.find((step) => step >= wanted) ?? Math.ceil(wanted / 86400) * 86400;
}

/** Refreshes as often as the reader wants, but not while nobody looks. */
export function startClock() {
  let last = Date.now();
  setInterval(() => {
    const every = refreshEvery.value * 1000;
    if (every === 0 || document.hidden || !isLive.value || Date.now() - last < every) return;
    last = Date.now();
    refresh();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && refreshEvery.value > 0 && isLive.value) refresh();
  });
}
