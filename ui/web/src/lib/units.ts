// Numbers for people: three significant digits, the unit once, tabular.

export type Unit = "short" | "bytes" | "bytes/s" | "s" | "ms" | "ns" | "ratio" | "percent" | "/s" | "none";

const SI = ["", " k", " M", " G", " T", " P"];
const IEC = [" B", " KiB", " MiB", " GiB", " TiB", " PiB"];

/** At most three significant digits, without trailing zeros. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size >= 100 || size === 0 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.001 ? value.toPrecision(3) : value.toExponential(1);
  const clean = text.includes(".") && !text.includes("e") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
  return clean.replace("-", "−");
}

function scaled(value: number, base: number, names: string[]): string {
  let at = 0;
  let size = Math.abs(value);
  while (size >= base * 0.9995 && at < names.length - 1) {
    size /= base;
    at++;
  }
  return `${digits(value / base ** at)}${names[at]}`;
}

/** A duration in ns as `12 ms`, `1.84 s`, `3 min`. */
export function formatNs(ns: number): string {
  if (!Number.isFinite(ns)) return digits(ns);
  const size = Math.abs(ns);
  if (size === 0) return "0 s";
  if (size < 1e3) return `${digits(ns)} ns`;
  if (size < 1e6) return `${digits(ns / 1e3)} µs`;
  if (size < 1e9) return `${digits(ns / 1e6)} ms`;
  if (size < 12e10) return `${digits(ns / 1e9)} s`;
  if (size < 72e11) return `${digits(ns / 6e10)} min`;
  if (size < 1728e11) return `${digits(ns / 36e11)} h`;
  return `${digits(ns / 864e11)} d`;
}

export const formatBytes = (value: number) => (Number.isFinite(value) ? scaled(value, 1024, IEC) : "–");

/** Formats a value in its unit. */
export function format(value: number | null | undefined, unit: Unit = "short"): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  switch (unit) {
    case "bytes":
      return formatBytes(value);
    case "bytes/s":
      return `${formatBytes(value)}/s`;
    case "s":
      return formatNs(value * 1e9);
    case "ms":
      return formatNs(value * 1e6);
    case "ns":
      return formatNs(value);
    case "ratio":
      return formatRatio(value);
    case "percent":
      return `${digits(value)} %`;
    case "/s":
      return `${scaled(value, 1000, SI)}${Math.abs(value) >= 1000 ? "" : " "}/s`;
    case "none":
      return digits(value);
    default:
      return scaled(value, 1000, SI);
  }
}

/** `3.8 %`; what is not quite nothing and not quite everything does not look like it. */
export function formatRatio(value: number): string {
  const percent = value * 100;
  if (percent > 0 && percent < 0.01) return "< 0.01 %";
  if (percent > 99.9 && percent < 100) return `${Math.floor(percent * 1000) / 1000} %`;
  return `${digits(percent)} %`;
}

/** Whole numbers with thin groups: `63 010`. */
export const formatCount = (value: number) => Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

/** The unit that a metric's name says, by OpenMetrics' habit; a rate of a counter is per second. */
export function unitOf(metric: string, isRate = false): Unit {
  const name = metric.replace(/_(total|sum|count|bucket|created|max|min|avg)$/, "");
  if (/_count$/.test(metric)) return isRate ? "/s" : "short";
  if (/(_|^)bytes$/.test(name)) return isRate ? "bytes/s" : "bytes";
  if (/(_|^)(seconds|duration)$/.test(name)) return isRate && /_total$/.test(metric) ? "ratio" : "s";
  if (/(_|^)milliseconds$/.test(name)) return "ms";
  if (/(_|^)nanoseconds$/.test(name)) return "ns";
  if (/(_|:|^)(ratio|utilization)(_rate\w*)?$/.test(name)) return "ratio";
  if (/(_|^)percent$/.test(name)) return "percent";
  return isRate ? "/s" : "short";
}

/** Guesses the unit of a whole PromQL expression from the metric in it. */
export function unitOfQuery(query: string): Unit {
  const names = query.match(/[a-zA-Z_:][a-zA-Z0-9_:]*/g) ?? [];
  const isRate = /\b(rate|irate|increase)\s*\(/.test(query);
  if (/histogram_quantile/.test(query)) {
    const metric = names.find((name) => /_(bucket|seconds|duration|latency|bytes)/.test(name));
    return metric ? unitOf(metric.replace(/_bucket$/, "")) : "short";
  }
  if (/\)\s*\/\s*\(?\s*(sum|rate|avg|max|min|count)/.test(query)) return "ratio";
  const metric = names.find((name) => /_(seconds|bytes|total|ratio|count|sum|bucket|duration)(_|$)/.test(name));
  return metric ? unitOf(metric, isRate) : isRate ? "/s" : "short";
}
