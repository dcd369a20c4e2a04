// Kinds of panels, by Perses' names. What is not here is shown as a placeholder, and kept.
import type { FunctionComponent } from "preact";
import type { PanelData } from "./data";
import type { Panel, Tree } from "./model";
import type { Around } from "./variables";
import { BarPanel } from "./BarChart";
import { GaugePanel } from "./GaugeChart";
import { HeatmapPanel } from "./HeatMapChart";
import { HistogramPanel } from "./HistogramChart";
import { LogsPanel } from "./LogsTable";
import { MarkdownPanel } from "./Markdown";
import { PiePanel } from "./PieChart";
import { StatPanel } from "./StatChart";
import { StatusPanel } from "./StatusHistoryChart";
import { SeriesTablePanel, TablePanel } from "./Table";
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
  PieChart: { name: "Pie", draw: PiePanel },
  Table: { name: "Table", draw: TablePanel },
  TimeSeriesTable: { name: "Table of series", draw: SeriesTablePanel },
  HeatMapChart: { name: "Heatmap", draw: HeatmapPanel },
  HistogramChart: { name: "Histogram", draw: HistogramPanel },
  StatusHistoryChart: { name: "Status history", draw: StatusPanel },
  LogsTable: { name: "Logs", draw: LogsPanel },
  Markdown: { name: "Text", draw: MarkdownPanel, plain: true },
};
