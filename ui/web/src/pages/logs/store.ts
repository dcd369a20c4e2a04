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

/** One list: of a question, with what is held of it. */
interface List {
  window: RowWindow;
  question: Question | null;
  histogram: Histogram | null;
  /** Rows that a live tail put on top: the histogram does not know them. */
  prepended: number;
}

const estimateOf = (list: List) => (list.histogram?.total ?? 0) + list.prepended;

export class RowStore {
  /** Counts changes. */
  readonly version = signal(0);
  readonly loading = signal(false);
  readonly error = signal<ApiError | null>(null);
  /** What the first page took, and what was said about it. */
  readonly stats = signal<Stats | undefined>(undefined);
  readonly warnings = signal<string[]>([]);
  /** What is shown is the answer to the question before. */
  readonly stale = signal(false);
  /** By how many rows the list must move so that nothing moves. */
  shift = 0;
  /** Another question is answered: the list begins at its top. */
  isFresh = false;
  /** A row that the list shall show when it is there. */
  wanted: ((row: LogRow) => boolean) | null = null;

  private shown: List = { window: new RowWindow(LIMITS.logRowsMax), question: null, histogram: null, prepended: 0 };
  /** What takes the place of `shown` with its first page: of another question, or of another time. */
  private coming: { list: List; isNew: boolean } | null = null;
  private abort = new AbortController();
  private limit: number = FIRST_ROWS;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sight: [number, number] = [0, 0];

  constructor(private readonly fetchPage: FetchPage) {}

  /** Asks anew, from the newest row on, or around a time. */
  start(question: Question, anchorMs: number | null) {
    this.limit = FIRST_ROWS;
    this.stale.value = true;
    this.begin({ window: new RowWindow(LIMITS.logRowsMax), question, histogram: null, prepended: 0 }, anchorMs, null);
  }

  stop() {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  /** Takes the histogram of the newest question: it says how long the list is. */
  setHistogram(histogram: Histogram) {
    (this.coming?.isNew ? this.coming.list : this.shown).histogram = histogram;
    this.version.value++;
  }

  get count(): number {
    return this.shown.window.total(estimateOf(this.shown));
  }

  /** Whether `count` is exact. */
  get isWhole(): boolean {
    return this.shown.window.isWhole;
  }

  /** Whether it is known that nothing matches. */
  get isEmpty(): boolean {
    return this.shown.window.isEmpty;
  }

  get held(): number {
    return this.shown.window.held;
  }

  at(place: number): LogRow | undefined {
    return this.shown.window.at(place);
  }

  find(wanted: (row: LogRow) => boolean): number {
    return this.shown.window.find(wanted);
  }

  prepend(rows: LogRow[]): boolean {
    const isTop = this.shown.window.prepend(rows);
    if (isTop) {
      this.shown.prepended += rows.length;
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
    if (this.isAway()) {
      if (!this.coming?.isNew) this.timer = setTimeout(() => this.jump(first), REST_MS);
      return;
    }
    // Back where rows are, before those of the jump came.
    if (this.coming && !this.coming.isNew) {
      this.stop();
      this.abort = new AbortController();
      this.coming = null;
      this.loading.value = false;
    }
    this.fill();
  }

  /** Goes on after a page that could not be loaded. */
  retry() {
    this.error.value = null;
    this.fill();
  }

  /** Whether nothing that is held is in sight; without a histogram nobody knows what would be there. */
  private isAway(): boolean {
    const [first, last] = this.sight;
    const { first: from, held } = this.shown.window;
    return this.shown.histogram !== null && held > 0 && (last <= from || first >= from + held);
  }

  private fill() {
    if (this.coming || this.loading.value || this.error.value || this.isAway()) return;
    const [first, last] = this.sight;
    const { window } = this.shown;
    if (last > window.first + window.held - AHEAD && window.wants("older")) void this.load("older");
    else if (first < window.first + AHEAD && window.wants("newer")) void this.load("newer");
  }

  private jump(place: number) {
    const { question, histogram, prepended } = this.shown;
    if (!histogram || !question) return;
    const ms = timeAt(histogram, place - prepended);
    const list = { window: new RowWindow(LIMITS.logRowsMax), question, histogram, prepended: 0 };
    this.begin(list, Math.min(Math.max(ms, question.start), question.end - 1), place);
  }

  private begin(list: List, ms: number | null, place: number | null) {
    const { window, question, histogram } = list;
    if (!question) return;
    this.stop();
    this.abort = new AbortController();
    this.error.value = null;
    const { start, end } = question;
    if (ms === null || ms >= end || ms < start) window.begin(0, { direction: "backward", start, end }, null);
    else {
      const split = Math.min(ms + 1, end);
      const origin = place ?? (histogram ? newerThan(histogram, ms) : 1);
      window.begin(Math.max(origin, 1), { direction: "backward", start, end: split }, { direction: "forward", start: split, end });
    }
    this.coming = { list, isNew: place === null };
    void this.load("older");
  }

  private async load(side: Side): Promise<void> {
    const list = this.coming?.list ?? this.shown;
    const ask = list.window.wants(side);
    const { abort } = this;
    if (!ask || !list.question) return;
    this.loading.value = true;
    try {
      const got = await this.fetchPage(list.question, ask, this.limit, abort.signal);
      if (abort.signal.aborted) return;
      const moved = list.window.add(side, ask, got, estimateOf(list));
      if (list === this.shown) this.shift += moved;
      else this.show(list, got);
      this.learn(got.rows);
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
      this.coming = null;
      this.loading.value = false;
      this.error.value = refused;
      this.version.value++;
    }
  }

  /** The first page is there: its list takes the place of the one before. */
  private show(list: List, got: Fetched) {
    if (this.coming?.isNew) {
      this.isFresh = true;
      this.stats.value = got.stats;
      this.stale.value = false;
    }
    this.shown = list;
    this.coming = null;
    this.shift = 0;
  }

  /** Chooses how many rows the next page has by how long these are. */
  private learn(rows: readonly LogRow[]) {
    const chars = rows.reduce((n, row) => n + 400 + (typeof row.body === "string" ? row.body.length : 0), 0);
    const each = chars / Math.max(rows.length, 1);
    this.limit = Math.max(20, Math.min(LIMITS.logRows, Math.floor(PAGE_CHARS / Math.max(each, 1))));
  }
}
