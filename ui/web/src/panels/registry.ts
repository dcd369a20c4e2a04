// Kinds of panels, by Perses' names. What is not here is shown as a placeholder, and kept. Those that most
// boards do without are loaded when one has them.
import type { FunctionComponent } from "preact";
import type { PanelData } from "./data";
import type { Panel, Tree } from "./model";
import type { Around } from "./variables";
import { lazy } from "../ui/lazy";
import { BarPanel } from "./BarChart";
import { GaugePanel } from "./GaugeChart";
import { HeatmapPanel } from "./HeatMapChart";
import { StatPanel } from "./StatChart";
import { TimeSeriesPanel } from "./TimeSeriesChart";

export interface PanelProps {
  spec: Tree;
  panel: Panel;
  data: PanelData;
  around: Around;
  width: number;
  height: number;
}

export interface Kind {
  name: string;
  draw: FunctionComponent<PanelProps>;
  /** It asks nothing. */
  plain?: boolean;
}

export const KINDS: Record<string, Kind> = {
  TimeSeriesChart: { name: "Time series", draw: TimeSeriesPanel },
  StatChart: { name: "Stat", draw: StatPanel },
  GaugeChart: { name: "Gauge", draw: GaugePanel },
  BarChart: { name: "Bars", draw: BarPanel },
  PieChart: { name: "Pie", draw: lazy(() => import("./PieChart").then((m) => m.PiePanel)) },
  Table: { name: "Table", draw: lazy(() => import("./Table").then((m) => m.TablePanel)) },
  TimeSeriesTable: { name: "Table of series", draw: lazy(() => import("./Table").then((m) => m.SeriesTablePanel)) },
  HeatMapChart: { name: "Heatmap", draw: HeatmapPanel },
  HistogramChart: { name: "Histogram", draw: lazy(() => import("./HistogramChart").then((m) => m.HistogramPanel)) },
  StatusHistoryChart: { name: "Status history", draw: lazy(() => import("./StatusHistoryChart").then((m) => m.StatusPanel)) },
  LogsTable: { name: "Logs", draw: lazy(() => import("./LogsTable").then((m) => m.LogsPanel)) },
  Markdown: { name: "Text", draw: lazy(() => import("./Markdown").then((m) => m.MarkdownPanel)), plain: true },
};
