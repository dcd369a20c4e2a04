// Alerts as people look at them: what fires now and what did in the range, what keeps it quiet, and in
// which order it needs somebody. Pure.
import type { Alert } from "../../lib/model";
import type { Labels, Matrix } from "../../lib/promql";
import type { State } from "../../ui/parts";

export interface Rule {
  state?: "firing" | "pending" | "inactive" | "unknown";
  name: string;
  query: string;
  duration?: number;
  keepFiringFor?: number;
  labels: Labels;
  annotations?: Labels;
  alerts?: Alert[];
  health: "ok" | "err" | "unknown";
  lastError?: string;
  evaluationTime: number;
  lastEvaluation: string;
  type: "alerting" | "recording";
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
}

/** What Alertmanager's interface says of an alert. */
export interface Told {
  labels: Labels;
  annotations?: Labels;
  startsAt?: string;
  fingerprint: string;
  receivers: { name: string }[];
  status: { state: string; silencedBy: string[]; inhibitedBy: string[]; mutedBy: string[] };
}

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual?: boolean;
}

export interface Silence {
  id: string;
  status: { state: "active" | "pending" | "expired" };
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
  matchers: Matcher[];
}

/** 0 nothing, 1 pending, 2 firing, per step. */
export type States = number[];

export interface Row {
  key: string;
  name: string;
  labels: Labels;
  annotations: Labels;
  /** `over`: it was active in the range and is not any more. */
  state: "firing" | "pending" | "over";
  quiet: "" | "silenced" | "inhibited" | "muted";
  since: number;
  value: string;
  rule?: Rule;
  group?: RuleGroup;
  states: States;
  receivers: string[];
}

const OWN = new Set(["__name__", "alertstate"]);

/** By which an alert is known: its labels in order. */
export const keyOf = (labels: Labels) => JSON.stringify(Object.entries(labels).filter(([name]) => !OWN.has(name)).sort());

/** The states of all alerts over a range, from the series `ALERTS`. */
export function statesOf(matrix: Matrix): Map<string, { labels: Labels; states: States }> {
  const found = new Map<string, { labels: Labels; states: States }>();
  for (const { labels, values } of matrix.series) {
    const key = keyOf(labels);
    const level = labels.alertstate === "firing" ? 2 : 1;
    let of = found.get(key);
    if (!of) {
      of = { labels: Object.fromEntries(Object.entries(labels).filter(([name]) => !OWN.has(name))), states: new Array<number>(matrix.times.length).fill(0) };
      found.set(key, of);
    }
    values.forEach((value, at) => value !== null && (of.states[at] = Math.max(of.states[at], level)));
  }
  return found;
}

export const isPage = (labels: Labels) => /^(page|critical|emergency)$/.test(labels.severity ?? "");

function quietOf(told: Told | undefined): Row["quiet"] {
  const { silencedBy = [], inhibitedBy = [], mutedBy = [] } = told?.status ?? {};
  return silencedBy.length > 0 ? "silenced" : inhibitedBy.length > 0 ? "inhibited" : mutedBy.length > 0 ? "muted" : "";
}

function rank(row: Row): number {
  if (row.state === "over") return 5;
  if (row.quiet) return 4;
  if (row.state === "pending") return 3;
  return isPage(row.labels) ? 0 : 1;
}

/** Joins rules, what is told, and the past; what needs somebody first. */
export function rowsOf(groups: readonly RuleGroup[], told: readonly Told[], past: ReadonlyMap<string, { labels: Labels; states: States }>, times: readonly number[]): Row[] {
  const rows = new Map<string, Row>();
  // External labels stand on what is told and not on what rules know.
  const toldOf = (labels: Labels) => told.find((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value));
  for (const group of groups) {
    for (const rule of group.rules) {
      for (const alert of rule.alerts ?? []) {
        if (alert.state === "inactive") continue;
        const key = keyOf(alert.labels);
        const said = toldOf(alert.labels);
        rows.set(key, {
          key, rule, group,
          name: alert.labels.alertname ?? rule.name,
          labels: alert.labels,
          annotations: alert.annotations,
          state: alert.state,
          quiet: quietOf(said),
          since: Date.parse(alert.activeAt),
          value: alert.value,
          states: past.get(key)?.states ?? [],
          receivers: said?.receivers.map((r) => r.name) ?? [],
        });
      }
    }
  }
  for (const one of told) {
    // Of others, which no rule here made.
    if (one.status.state === "unprocessed" || [...rows.values()].some((row) => Object.entries(row.labels).every(([n, v]) => one.labels[n] === v))) continue;
    rows.set(keyOf(one.labels), {
      key: keyOf(one.labels), name: one.labels.alertname ?? "alert", labels: one.labels, annotations: one.annotations ?? {}, state: "firing",
      quiet: quietOf(one), since: Date.parse(one.startsAt ?? "") || 0, value: "", states: [], receivers: one.receivers.map((r) => r.name),
    });
  }
  for (const [key, { labels, states }] of past) {
    if (rows.has(key)) continue;
    const last = states.findLastIndex((state) => state > 0);
    const found = ruleOf(groups, labels);
    rows.set(key, { key, ...found, name: labels.alertname ?? "alert", labels, annotations: {}, state: "over", quiet: "", since: (times[last] ?? 0) * 1000, value: "", states, receivers: [] });
  }
  return [...rows.values()].sort((a, b) => rank(a) - rank(b) || b.since - a.since || a.name.localeCompare(b.name) || a.key.localeCompare(b.key));
}

/** The rule that an alert comes from: its name, and the labels that it sets without templates. */
export function ruleOf(groups: readonly RuleGroup[], labels: Labels): { rule?: Rule; group?: RuleGroup } {
  for (const group of groups) {
    for (const rule of group.rules) {
      const fits = Object.entries(rule.labels).every(([name, value]) => value.includes("{{") || value === "" || labels[name] === value);
      if (rule.type === "alerting" && rule.name === labels.alertname && fits) return { rule, group };
    }
  }
  return {};
}

/** The word, colour and shape of a row. */
export function badgeOf(row: Pick<Row, "state" | "quiet" | "labels">): { state: State; word: string } {
  if (row.state === "over") return { state: "ok", word: "over" };
  if (row.quiet) return { state: "none", word: row.quiet };
  if (row.state === "pending") return { state: "info", word: "pending" };
  return isPage(row.labels) ? { state: "err", word: "firing" } : { state: "warn", word: "firing" };
}

/** What a search keeps: every word stands in the name, a label or a text. */
export function matches(row: Row, search: string): boolean {
  const text = [row.name, ...Object.entries(row.labels).map(([n, v]) => `${n}=${v}`), ...Object.values(row.annotations), row.state, row.quiet].join(" ").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The labels worth reading beside the name. */
export function shownLabels(labels: Labels): [string, string][] {
  return Object.entries(labels).filter(([name]) => name !== "alertname" && !name.startsWith("sloth_"));
}

export const serviceOf = (labels: Labels) => labels.service ?? labels.service_name ?? labels.slo_service ?? "";

/** Splits `expr > 3` at its last comparison on the top level: what to draw, and the line in it. */
export function split(query: string): { left: string; op: string; threshold: number } | null {
  const found = /^([\s\S]+?)\s*(>=|<=|==|!=|>|<)\s*(-?[\d.]+(?:e[+-]?\d+)?)\s*$/i.exec(query);
  if (!found) return null;
  const [, left, op, number] = found;
  const bare = left.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, "");
  let depth = 0;
  for (const c of bare) {
    if ("([{".includes(c)) depth++;
    if (")]}".includes(c) && --depth < 0) return null;
  }
  // `a or b > 3` compares b only.
  if (depth !== 0 || /\b(and|or|unless)\b|[<>]|==|!=/i.test(outer(bare))) return null;
  return { left: left.trim(), op, threshold: Number(number) };
}

function outer(text: string): string {
  let depth = 0;
  let out = "";
  for (const c of text) {
    if (")]}".includes(c)) depth--;
    if (depth === 0) out += c;
    if ("([{".includes(c)) depth++;
  }
  return out;
}

/** Reads `alertname="A", service=~"b.*"`; what is wrong as a text. */
export function readMatchers(text: string): Matcher[] | string {
  const found: Matcher[] = [];
  let rest = text.trim().replace(/^\{/, "").replace(/\}$/, "").trim();
  while (rest !== "") {
    const one = /^([a-zA-Z_:][\w:.]*|"(?:[^"\\]|\\.)*")\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s,"=~!][^\s,"]*)\s*,?\s*/.exec(rest);
    if (!one) return `not a matcher: ${rest.slice(0, 40)}`;
    const plain = (part: string) => (part.startsWith('"') ? (JSON.parse(part) as string) : part);
    try {
      found.push({ name: plain(one[1]), value: plain(one[3]), isRegex: one[2].endsWith("~"), isEqual: !one[2].startsWith("!") });
    } catch {
      return `not a quoted text: ${one[3]}`;
    }
    rest = rest.slice(one[0].length);
  }
  return found.length === 0 ? "at least one matcher is needed" : found;
}

export const matcherText = ({ name, value, isRegex, isEqual = true }: Matcher) => `${name}${isEqual ? (isRegex ? "=~" : "=") : isRegex ? "!~" : "!="}${JSON.stringify(value)}`;

/** Matchers that mean one alert and no other. */
export const matchersOf = (labels: Labels) => Object.entries(labels).map(([name, value]) => matcherText({ name, value, isRegex: false })).join(", ");

/** The labels of a group, out of its key `ROUTE:{labels}`. */
export function aboutOf(key: string): string {
  const at = key.lastIndexOf(":{");
  const labels = at < 0 ? key : key.slice(at + 2, -1);
  return labels || "all alerts of the route";
}
