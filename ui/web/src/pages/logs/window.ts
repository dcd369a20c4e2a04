// The rows that the list holds: pages that follow each other without a gap, newest first, of a list
// that may be far longer. A page that was let go remembers how it was asked for. Places in the list
// are known exactly where pages reach the newest row, and taken from the histogram elsewhere.
import type { LogRow } from "./model";

/** How a page is asked for; with a cursor, the rest is what it was for the page before. */
export interface Ask {
  direction: "backward" | "forward";
  start: number;
  end: number;
  cursor?: string;
}

export interface Got {
  /** Newest first. */
  rows: LogRow[];
  next: string | null;
}

interface Page {
  ask: Ask | null;
  rows: LogRow[] | null;
  count: number;
  chars: number;
}

export type Side = "newer" | "older";

export class RowWindow {
  /** The place in the list of the first row of the first page. */
  origin = 0;
  private pages: Page[] = [];
  /** Pages from `lo` to below `hi` have their rows. */
  private lo = 0;
  private hi = 0;
  private newer: Ask | null = null;
  private older: Ask | null = null;

  constructor(
    private readonly rowsMax: number,
    private readonly charsMax = 128_000_000,
  ) {}

  /** Forgets all, and begins at a time: rows before it are older, rows from it on newer. */
  begin(origin: number, older: Ask | null, newer: Ask | null) {
    Object.assign(this, { origin, older, newer, pages: [], lo: 0, hi: 0 });
  }

  /** The place of the first row that is held. */
  get first(): number {
    return this.origin + sum(this.pages.slice(0, this.lo));
  }

  get held(): number {
    return sum(this.pages.slice(this.lo, this.hi));
  }

  /** Rows of the whole list, as far as is known. */
  total(estimate: number): number {
    const known = this.origin + sum(this.pages);
    return this.older === null ? known : Math.max(estimate, known + 1);
  }

  get isEnd(): boolean {
    return this.older === null && this.hi === this.pages.length;
  }

  /** Whether it is known that there is no row. */
  get isEmpty(): boolean {
    return this.isWhole && this.pages.length > 0 && sum(this.pages) === 0;
  }

  /** Whether both ends have been reached, so that the total is exact. */
  get isWhole(): boolean {
    return this.older === null && this.newer === null;
  }

  at(place: number): LogRow | undefined {
    let index = place - this.first;
    if (index < 0) return undefined;
    for (let i = this.lo; i < this.hi; i++) {
      const page = this.pages[i];
      if (index < page.count) return page.rows?.[index];
      index -= page.count;
    }
    return undefined;
  }

  /** Finds a row's place; -1 where it is not held. */
  find(wanted: (row: LogRow) => boolean): number {
    let place = this.first;
    for (let i = this.lo; i < this.hi; i++) {
      const index = this.pages[i].rows?.findIndex(wanted) ?? -1;
      if (index >= 0) return place + index;
      place += this.pages[i].count;
    }
    return -1;
  }

  /** What to ask for next on a side; null where there is nothing more. */
  wants(side: Side): Ask | null {
    if (side === "newer") return this.lo > 0 ? this.pages[this.lo - 1].ask : this.newer;
    return this.hi < this.pages.length ? this.pages[this.hi].ask : this.older;
  }

  /** Takes what was asked for; returns how far the places of rows moved. The list has about `estimate` rows. */
  add(side: Side, ask: Ask, got: Got, estimate = 0): number {
    const page = { ask, rows: got.rows, count: got.rows.length, chars: chars(got.rows) };
    const next = got.next === null ? null : { ...ask, cursor: got.next };
    let moved = 0;
    if (side === "newer" && this.lo > 0) {
      // Asked again, a page may have got rows that came late.
      moved = page.count - this.pages[--this.lo].count;
      this.pages[this.lo] = page;
    } else if (side === "newer") {
      this.newer = next;
      this.pages.unshift(page);
      this.hi++;
      this.origin -= page.count;
      moved = this.settle();
    } else {
      const isNew = this.hi === this.pages.length;
      if (isNew) this.older = next;
      this.pages[this.hi++] = page;
      // From the last row, places are counted back from the end.
      if (isNew && next === null && this.newer !== null) {
        moved = Math.max(estimate - sum(this.pages), 1) - this.origin;
        this.origin += moved;
      }
    }
    return moved + this.trim(side);
  }

  /** Puts rows above all others, as a live tail does. Returns whether the list reaches up to there. */
  prepend(rows: LogRow[]): boolean {
    if (this.lo > 0 || this.newer !== null) return false;
    this.pages.unshift({ ask: null, rows, count: rows.length, chars: chars(rows) });
    this.hi++;
    this.trim("newer");
    return true;
  }

  /** Where nothing is newer, the first row is the first of the list; where something is, it is not. */
  private settle(): number {
    const wanted = this.newer === null ? 0 : Math.max(this.origin, 1);
    const moved = wanted - this.origin;
    this.origin = wanted;
    return moved;
  }

  /** Lets go of rows at the other end; returns how far the places of the others moved. */
  private trim(grown: Side): number {
    let moved = 0;
    while (this.isTooMuch()) {
      if (grown === "newer") {
        this.pages[--this.hi].rows = null;
      } else if (this.pages[this.lo].ask !== null) {
        this.pages[this.lo++].rows = null;
      } else {
        // Rows of a live tail cannot be asked for as they came: they are forgotten.
        moved -= this.pages[0].count;
        this.pages.shift();
        this.hi--;
      }
    }
    return moved;
  }

  private isTooMuch(): boolean {
    const held = this.pages.slice(this.lo, this.hi);
    return held.length > 1 && (sum(held) > this.rowsMax || held.reduce((n, page) => n + page.chars, 0) > this.charsMax);
  }
}

const sum = (pages: readonly Page[]) => pages.reduce((n, page) => n + page.count, 0);

const chars = (rows: readonly LogRow[]) => rows.reduce((n, row) => n + 400 + (typeof row.body === "string" ? row.body.length : 0), 0);
