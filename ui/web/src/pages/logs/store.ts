// Fills the window of rows as the reader scrolls: the next page before the end is in sight, and where
// the reader jumps, rows of about that time.
import { signal } from "@preact/signals";
import type { ApiError, Stats } from "../../lib/api";
import { asError } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { newerThan, timeAt, type Histogram, type LogRow, type Question } from "./model";
import { RowWindow, type Ask, type Got, type Side } from "./window";

export interface Fetched extends Got {
  stats?: Stats;
  warnings: string[];
}

export type FetchPage = (question: Question, ask: Ask, limit: number, signal: AbortSignal) => Promise<Fetched>;

/** Rows of the first page: few, so that it is there soon. */
const FIRST_ROWS = 200;
/** Rows in sight of an end when the next page is asked for. */
const AHEAD = 400;
/** Characters that a page should have at most; long bodies make short pages. */
const PAGE_CHARS = 4_000_000;
/** How long a scrollbar must rest before rows are asked for where it is. */
const REST_MS = 90;

export class RowStore {
  /** Counts changes. */
  readonly version = signal(0);
  readonly loading = signal(false);
  readonly error = signal<ApiError | null>(null);
  /** What the first page took, and what was said about it. */
  readonly stats = signal<Stats | undefined>(undefined);
  readonly warnings = signal<string[]>([]);
  /** By how many rows the list must move so that nothing moves. */
  shift = 0;
  /** A row that the list shall show when it is there. */
  wanted: ((row: LogRow) => boolean) | null = null;

  private window = new RowWindow(LIMITS.logRowsMax);
  private question: Question | null = null;
  private histogram: Histogram | null = null;
  private abort = new AbortController();
  private limit: number = FIRST_ROWS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sight: [number, number] = [0, 0];
  /** Rows that a live tail put on top: the histogram does not know them. */
  private prepended = 0;

  constructor(private readonly fetchPage: FetchPage) {}

  /** Asks anew, from the newest row on, or around a time. */
  start(question: Question, anchorMs: number | null) {
    this.question = question;
    this.limit = FIRST_ROWS;
    this.histogram = null;
    this.begin(anchorMs, 0);
  }

  stop() {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  /** Takes the histogram of the same question: it says how long the list is. */
  setHistogram(histogram: Histogram | null) {
    this.histogram = histogram;
    this.version.value++;
  }

  get count(): number {
    return this.window.total((this.histogram?.total ?? 0) + this.prepended);
  }

  /** Whether `count` is exact. */
  get isWhole(): boolean {
    return this.window.isWhole;
  }

  /** Whether it is known that nothing matches. */
  get isEmpty(): boolean {
    return this.window.isEmpty;
  }

  get held(): number {
    return this.window.held;
  }

  at(place: number): LogRow | undefined {
    return this.window.at(place);
  }

  find(wanted: (row: LogRow) => boolean): number {
    return this.window.find(wanted);
  }

  prepend(rows: LogRow[]): boolean {
    const isTop = this.window.prepend(rows);
    if (isTop) {
      this.prepended += rows.length;
      this.version.value++;
    }
    return isTop;
  }

  /** The first place in sight. */
  get firstSeen(): number {
    return this.sight[0];
  }

  /** Says which places are in sight. */
  near(first: number, last: number) {
    this.sight = [first, last];
    clearTimeout(this.timer);
    if (this.isAway()) this.timer = setTimeout(() => this.jump(first), REST_MS);
    else this.fill();
  }

  retry() {
    this.error.value = null;
    if (this.window.held === 0 && this.question) this.start(this.question, null);
    else this.fill();
  }

  /** Whether nothing that is held is in sight; without a histogram nobody knows what would be there. */
  private isAway(): boolean {
    const [first, last] = this.sight;
    const { first: from, held } = this.window;
    return this.histogram !== null && held > 0 && (last <= from || first >= from + held);
  }

  private fill() {
    if (this.loading.value || this.error.value || this.isAway()) return;
    const [first, last] = this.sight;
    const { first: from, held } = this.window;
    if (last > from + held - AHEAD && this.window.wants("older")) void this.load("older");
    else if (first < from + AHEAD && this.window.wants("newer")) void this.load("newer");
  }

  private jump(place: number) {
    if (!this.histogram || !this.question) return;
    const { start, end } = this.question;
    this.begin(Math.min(Math.max(timeAt(this.histogram, place - this.prepended), start), end - 1), place);
  }

  private begin(ms: number | null, place: number) {
    const { question, histogram } = this;
    if (!question) return;
    this.stop();
    this.abort = new AbortController();
    this.error.value = null;
    this.shift = 0;
    this.prepended = 0;
    const { start, end } = question;
    if (ms === null || ms >= end || ms < start) this.window.begin(0, { direction: "backward", start, end }, null);
    else {
      const split = Math.min(ms + 1, end);
      const origin = place > 0 ? place : histogram ? newerThan(histogram, ms) : 1;
      this.window.begin(Math.max(origin, 1), { direction: "backward", start, end: split }, { direction: "forward", start: split, end });
    }
    this.loading.value = false;
    void this.load("older");
  }

  private async load(side: Side): Promise<void> {
    const ask = this.window.wants(side);
    const { question, abort } = this;
    if (!ask || !question) return;
    this.loading.value = true;
    try {
      const got = await this.fetchPage(question, ask, this.limit, abort.signal);
      if (abort.signal.aborted) return;
      const isFirst = this.window.held === 0;
      this.shift += this.window.add(side, ask, got, (this.histogram?.total ?? 0) + this.prepended);
      this.learn(got.rows);
      if (isFirst) this.stats.value = got.stats;
      this.warnings.value = got.warnings;
      this.loading.value = false;
      this.version.value++;
      this.fill();
    } catch (error) {
      if (abort.signal.aborted) return;
      // Large rows: the server refused what they need together, fewer may fit.
      const refused = asError(error);
      if (refused.status === 422 && this.limit > 10) {
        this.limit = Math.max(10, Math.floor(this.limit / 8));
        return this.load(side);
      }
      this.loading.value = false;
      this.error.value = refused;
      this.version.value++;
    }
  }

  /** Chooses how many rows the next page has by how long these are. */
  private learn(rows: readonly LogRow[]) {
    const chars = rows.reduce((n, row) => n + 400 + (typeof row.body === "string" ? row.body.length : 0), 0);
    const each = chars / Math.max(rows.length, 1);
    this.limit = Math.max(20, Math.min(LIMITS.logRows, Math.floor(PAGE_CHARS / Math.max(each, 1))));
  }
}
