// Live tail: a stream of lines, one object each. New rows wait in a bounded buffer until the reader
// wants them; what does not fit is counted.
import type { LogRow } from "./model";

export type TailEvent = { row: LogRow } | { skipped: number; missed_requests?: number } | { beat: number } | { error: string };

/** Cuts a stream of text into lines and reads them; a line that is no object is left out. */
export class LineReader {
  private rest = "";

  constructor(private readonly lineMax = 4 * 1024 * 1024) {}

  push(text: string): TailEvent[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    // Longer than any record: not a stream of records.
    if (this.rest.length > this.lineMax) this.rest = "";
    return lines.flatMap((line) => {
      try {
        const event: unknown = line.trim() === "" ? null : JSON.parse(line);
        return event !== null && typeof event === "object" && !Array.isArray(event) ? [event as TailEvent] : [];
      } catch {
        return [];
      }
    });
  }
}

/** Rows that came and were not shown yet, newest last; the oldest give way. */
export class TailBuffer {
  private rows: LogRow[] = [];
  private chars = 0;
  /** Rows that the server left out, or that did not fit. */
  skipped = 0;

  constructor(
    private readonly max: number,
    private readonly charsMax = 32_000_000,
  ) {}

  get count(): number {
    return this.rows.length;
  }

  add(row: LogRow) {
    this.rows.push(row);
    this.chars += size(row);
    // A few at a time, so that not each row moves all others.
    if (this.rows.length > this.max * 1.1 || this.chars > this.charsMax) this.cut();
  }

  /** Takes all that wait, newest first. */
  take(): LogRow[] {
    this.cut();
    const taken = this.rows.reverse();
    this.rows = [];
    this.chars = 0;
    return taken;
  }

  private cut() {
    let gone = Math.max(0, this.rows.length - this.max);
    let chars = this.rows.slice(gone).reduce((n, row) => n + size(row), 0);
    while (chars > this.charsMax && gone < this.rows.length - 1) chars -= size(this.rows[gone++]);
    this.rows = this.rows.slice(gone);
    this.chars = chars;
    this.skipped += gone;
  }
}

const size = (row: LogRow) => 400 + (typeof row.body === "string" ? row.body.length : 0);

/** How long to wait before the next try, in ms: doubling, up to half a minute. */
export const pauseMs = (tries: number) => Math.min(30_000, 500 * 2 ** Math.min(tries, 6));
