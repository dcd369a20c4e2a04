// What the pages of alerts ask the server.
import { ask } from "../../lib/api";
import { queryRange } from "../../lib/promql";
import { stepFor, type Span } from "../../lib/time";
import { rowsOf, statesOf, type Row, type RuleGroup, type Told } from "./model";

/** Steps of a strip of states. */
export const STEPS = 160;

export interface Overview {
  groups: RuleGroup[];
  rows: Row[];
  /** Times of the strips, s. */
  times: number[];
  warnings: string[];
}

/** Reads rules, what receivers are told, and the states over a range; `only` narrows to one name. */
export async function loadAlerts(span: Span, only: string, signal: AbortSignal): Promise<Overview> {
  const named = only ? `alertname=${JSON.stringify(only)}` : 'alertname!=""';
  const [rules, told, past] = await Promise.all([
    ask<{ groups: RuleGroup[] }>("/api/v1/rules", only ? { "rule_name[]": only, type: "alert" } : {}, signal),
    ask<Told[]>("/api/v2/alerts", only ? { filter: named } : {}, signal).catch(() => ({ data: [] as Told[], warnings: ["What receivers are told could not be read: silences and inhibitions are not shown."] })),
    queryRange(`ALERTS{${named}}`, span, stepFor(span, STEPS), signal),
  ]);
  const { groups } = rules.data;
  const rows = rowsOf(groups, told.data, statesOf(past.data), past.data.times);
  return { groups, rows, times: past.data.times, warnings: [...rules.warnings, ...told.warnings, ...past.warnings] };
}

export interface Attempt {
  at_ms: number;
  took_ms: number;
  result: "delivered" | "transient" | "permanent";
  status?: number;
  said: string;
  template_errors?: string[];
}

export interface Delivery {
  id: string;
  receiver: string;
  kind: string;
  index: number;
  group_key: string;
  reason: string;
  urgency: string;
  firing: number;
  resolved: number;
  created_ms: number;
  state: "queued" | "sending" | "acked" | "superseded" | "dead";
  changed_ms: number;
  tried: number;
  attempts: Attempt[];
}

export interface DeadLetter {
  intent: { id: string; flush: { receiver: string; integration: [string, number]; group_key: string; at_ms: number } };
  at_ms: number;
  reason: string;
  message: string;
}

export interface Problem {
  file: string;
  line: number;
  column: number;
  message: string;
  warning: boolean;
}

export interface Status {
  running: boolean;
  last_reload_successful: boolean;
  last_reload: string;
  last_success: string;
  log_broken: string | null;
  groups: number;
  rules: number;
}

export const loadDeliveries = async (limit: number, signal: AbortSignal) => (await ask<{ deliveries: Delivery[] }>("/api/v1/alerting/deliveries", { limit }, signal)).data.deliveries;
