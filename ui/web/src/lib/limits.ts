// Every limit of the pages, one entry each; a page says when one bites.
export const LIMITS = {
  /** Series that a chart draws unless all are asked for. */
  chartSeries: 200,
  /** Series that a chart draws at most. */
  chartSeriesMax: 1000,
  /** Series in colour; the others are grey context. */
  colours: 8,
  /** Rows of a table. */
  tableRows: 10_000,
  /** Names of a list, searched on the server. */
  names: 200,
  /** Log records of one page, each way around the anchor. */
  logRows: 1000,
  /** Log records that the list holds. */
  logRowsMax: 100_000,
  /** Traces of a list. */
  traces: 200,
  /** Traces of a list that was asked for in full. */
  tracesMax: 1000,
  /** Spans of a trace that are drawn at once. */
  spans: 100_000,
  /** Spans of a trace whose attributes are read at once; of larger ones span by span. */
  spansRead: 3_000,
  /** Rows that a live tail keeps. */
  tailRows: 5_000,
  /** Characters of a value before it is folded. */
  valueChars: 2_000,
  /** Panels that a repeated panel or section becomes at most. */
  repeats: 50,
  /** Values of a variable that are offered. */
  variableValues: 1_000,
  /** Bytes of a file that is imported. */
  importBytes: 5 * 1024 * 1024,
  /** How long an answer may take, in ms, before the page says so. */
  patienceMs: 60_000,
} as const;
