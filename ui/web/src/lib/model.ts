// Shapes of answers that several pages read.
import type { Labels } from "./promql";

export interface SloBurning {
  tier: string;
  severity: string;
  long: string;
  short: string;
  factor: number;
}

export interface SloBudget {
  group: Labels;
  good: number | null;
  valid: number | null;
  error_ratio: number | null;
  budget_left: number | null;
  burn: Record<string, number>;
  burning: SloBurning[];
}

export interface Slo {
  name: string;
  service: string;
  description: string;
  labels: Labels;
  target: number;
  window: string;
  group_by: string[];
  file: string;
  line: number;
  budgets: SloBudget[];
}

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: "pending" | "firing" | "inactive";
  activeAt: string;
  value: string;
}

export interface ServiceSeries {
  start_ms: number;
  step_ms: number;
  rate: (number | null)[];
  errors: (number | null)[];
  p99_ns: (number | null)[];
}

export interface ServiceSummary {
  name: string;
  spans_per_second: number | null;
  errors_ratio: number | null;
  p50_ns: number | null;
  p99_ns: number | null;
  log_errors: number | null;
  versions: string[];
  series: ServiceSeries;
}

export interface Facet {
  key: string;
  values: { value: string; count: number }[];
  distinct: number;
  truncated: boolean;
  /** Rows that have the key at all. */
  rows: number;
}
