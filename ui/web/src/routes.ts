// The pages: where they are, their chord, and how they are loaded. The server answers the app's page at
// these paths and no others; a test of the server compares.
import type { ComponentType } from "preact";
import type { IconName } from "./ui/icons";

export interface Page {
  path: string;
  title: string;
  /** `g m`; pages without one are reached from others. */
  chord?: string;
  icon?: IconName;
  group?: "Explore" | "Watch" | "Run";
  /** The page fills the window and scrolls inside. */
  fills?: boolean;
  /** The page has no time range. */
  timeless?: boolean;
  /** The page stands alone: whoever sees it may not be logged in. */
  bare?: boolean;
  load: () => Promise<{ default: ComponentType<PageProps> }>;
}

export interface PageProps {
  /** The named parts of the path. */
  parts: Record<string, string>;
}

export const PAGES: readonly Page[] = [
  { path: "/", title: "Overview", chord: "g o", icon: "home", group: "Explore", load: () => import("./pages/overview/Overview") },
  { path: "/metrics", title: "Metrics", chord: "g m", icon: "chart", group: "Explore", fills: true, load: () => import("./pages/metrics/Metrics") },
  { path: "/metrics/:name", title: "Metric", load: () => import("./pages/metrics/Metric") },
  { path: "/logs", title: "Logs", chord: "g l", icon: "logs", group: "Explore", fills: true, load: () => import("./pages/logs/Logs") },
  { path: "/traces", title: "Traces", chord: "g t", icon: "trace", group: "Explore", fills: true, load: () => import("./pages/traces/Traces") },
  { path: "/traces/:id", title: "Trace", fills: true, load: () => import("./pages/trace/Trace") },
  { path: "/map", title: "Map", chord: "g p", icon: "map", group: "Explore", load: () => import("./pages/map/Map") },
  { path: "/service/:name", title: "Service", load: () => import("./pages/service/Service") },
  { path: "/sql", title: "SQL", chord: "g q", icon: "sql", group: "Explore", load: () => import("./pages/sql/Sql") },
  { path: "/dashboards", title: "Dashboards", chord: "g d", icon: "boards", group: "Watch", timeless: true, load: () => import("./pages/dashboards/Dashboards") },
  { path: "/dashboards/:name", title: "Dashboard", load: () => import("./pages/dashboards/Board") },
  { path: "/slos", title: "SLOs", chord: "g s", icon: "slo", group: "Watch", load: () => import("./pages/slos/Slos") },
  { path: "/slos/:name", title: "SLO", load: () => import("./pages/slos/Slo") },
  { path: "/alerts", title: "Alerts", chord: "g a", icon: "bell", group: "Watch", load: () => import("./pages/alerts/Alerts") },
  { path: "/alerts/:id", title: "Alert", load: () => import("./pages/alerts/Alert") },
  { path: "/data", title: "Data", chord: "g c", icon: "data", group: "Run", load: () => import("./pages/data/Data") },
  { path: "/send", title: "Send data", chord: "g n", icon: "send", group: "Run", timeless: true, load: () => import("./pages/send/Send") },
  { path: "/queries", title: "Queries", timeless: true, load: () => import("./pages/queries/Queries") },
  { path: "/settings", title: "Settings", chord: "g ,", icon: "gear", group: "Run", timeless: true, load: () => import("./pages/settings/Settings") },
  { path: "/status", title: "Status", timeless: true, load: () => import("./pages/settings/Status") },
  { path: "/login", title: "Log in", timeless: true, bare: true, load: () => import("./pages/login/Login") },
  { path: "/welcome", title: "Set a password", timeless: true, bare: true, load: () => import("./pages/login/Welcome") },
];
