// What needs attention, in words: pure rules over objectives, alerts and services.
import type { Alert, ServiceSummary, Slo, SloBudget } from "../../lib/model";
import { parseDuration, shortDuration } from "../../lib/time";
import { digits, formatRatio } from "../../lib/units";
import type { State } from "../../ui/parts";

export interface Concern {
  key: string;
  state: State;
  word: string;
  title: string;
  /** The first line: what is measured. */
  line: string;
  service: string;
  url: { path: string; params?: Record<string, string> };
  since?: number;
}

const RANK: Record<State, number> = { err: 0, warn: 1, info: 2, ok: 3, none: 4 };
/** Below which share of errors a service without objectives is fine. */
const ERRORS_WARN = 0.05;

/** `14.2× burn over 1h · budget gone in 9 h`. */
export function burnSentence(slo: Slo, budget: SloBudget): string {
  const parts: string[] = [];
  const windows = budget.burning.length > 0 ? budget.burning.slice(0, 2).map((b) => b.long) : ["1h", "6h"];
  for (const window of new Set(windows)) {
    const burn = budget.burn[window];
    if (burn !== undefined && burn !== null) parts.push(`${digits(burn)}× burn over ${window}`);
  }
  parts.push(budgetSentence(slo, budget));
  return parts.join(" · ");
}

/** How long the budget lasts at the present rate, in words. */
export function budgetSentence(slo: Slo, budget: SloBudget): string {
  const left = budget.budget_left;
  if (left === null) return "nothing measured yet";
  if (left <= -1) return `budget used up ${digits(1 - left)} times over`;
  if (left <= 0) return `budget used up, ${formatRatio(-left)} beyond it`;
  const rate = budget.burn["1h"] ?? budget.burn["5m"] ?? 0;
  const window = parseDuration(slo.window) ?? 30 * 86_400_000;
  if (rate <= 1) return `${formatRatio(left)} of the budget left`;
  return `budget gone in ${shortDuration((window * left) / rate)} at this rate`;
}

/** The objectives that burn, and the alerts that fire beside them, worst first. */
export function concerns(slos: readonly Slo[], alerts: readonly Alert[]): Concern[] {
  const found: Concern[] = [];
  for (const slo of slos) {
    for (const budget of slo.budgets) {
      const page = budget.burning.some((b) => b.severity === "page");
      if (budget.burning.length === 0) continue;
      const group = Object.values(budget.group).join(" ");
      found.push({
        key: `slo ${slo.name} ${group}`,
        state: page ? "err" : "warn",
        word: page ? "burning" : "warning",
        title: `${slo.name}${group ? ` ${group}` : ""} ${digits(slo.target * 100)} %`,
        line: burnSentence(slo, budget),
        service: slo.service,
        url: { path: `/slos/${encodeURIComponent(slo.name)}` },
      });
    }
  }
  const named = new Map<string, Alert[]>();
  for (const alert of alerts.filter((a) => a.state === "firing" && !a.labels.slo)) {
    const key = alert.labels.alertname ?? "";
    named.set(key, [...(named.get(key) ?? []), alert]);
  }
  for (const [name, group] of named) {
    const page = group.some((a) => /page|critical/.test(a.labels.severity ?? ""));
    const first = group[0];
    found.push({
      key: `alert ${name}`,
      state: page ? "err" : "warn",
      word: "firing",
      title: name,
      line: `${first.annotations.summary ?? first.annotations.description ?? Object.values(first.labels).join(" ")}${group.length > 1 ? ` · and ${group.length - 1} more` : ""}`,
      service: first.labels.service ?? first.labels.service_name ?? first.labels.job ?? "",
      url: { path: "/alerts", params: { q: name } },
      since: Math.min(...group.map((a) => Date.parse(a.activeAt))),
    });
  }
  return found.sort((a, b) => RANK[a.state] - RANK[b.state] || a.title.localeCompare(b.title));
}

export interface ServiceHealth {
  service: ServiceSummary;
  state: State;
  word: string;
  /** The least budget of its objectives; null without one. */
  budget: number | null;
}

/** The services, by what needs attention, then by errors, then by traffic. */
export function rankServices(services: readonly ServiceSummary[], slos: readonly Slo[], alerts: readonly Alert[]): ServiceHealth[] {
  const all = services.map<ServiceHealth>((service) => {
    const own = slos.filter((slo) => slo.service === service.name).flatMap((slo) => slo.budgets);
    const firing = alerts.filter((a) => a.state === "firing" && [a.labels.service, a.labels.service_name, a.labels.slo_service, a.labels.job].includes(service.name));
    const pages = own.some((b) => b.burning.some((x) => x.severity === "page")) || firing.some((a) => /page|critical/.test(a.labels.severity ?? ""));
    const tickets = own.some((b) => b.burning.length > 0) || firing.length > 0;
    const known = own.map((b) => b.budget_left).filter((left): left is number => left !== null);
    const budget = known.length > 0 ? Math.min(...known) : null;
    if (pages) return { service, state: "err", word: own.some((b) => b.burning.length > 0) ? "burning" : "firing", budget };
    if (tickets) return { service, state: "warn", word: "warning", budget };
    if ((service.errors_ratio ?? 0) >= ERRORS_WARN) return { service, state: "warn", word: "errors", budget };
    return { service, state: service.spans_per_second === null ? "none" : "ok", word: service.spans_per_second === null ? "logs only" : "ok", budget };
  });
  const errors = (h: ServiceHealth) => h.service.errors_ratio ?? 0;
  return all.sort((a, b) => RANK[a.state] - RANK[b.state] || errors(b) - errors(a) || (b.service.spans_per_second ?? 0) - (a.service.spans_per_second ?? 0) || a.service.name.localeCompare(b.service.name));
}
