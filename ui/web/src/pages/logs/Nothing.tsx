// No row: says why, and where some are.
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { href } from "../../lib/router";
import { ago, iso, setRange } from "../../lib/time";
import { Empty } from "../../ui/parts";
import { timeMs, type LogRow, type Question } from "./model";
import { search } from "./state";
import { SearchHelp } from "./SearchHelp";

/** How long the newest match is looked for in everything that is stored. */
const LOOK = "5s";
/** What is shown around it. */
const AROUND_MS = 1_800_000;

export function Nothing({ question }: { question: Question }) {
  const { q, start, end } = question;
  const isFiltered = q.trim() !== "";
  const newest = useLoad(`${q} ${start} ${end}`, (signal) => ask<{ rows: LogRow[] }>("/api/v1/logs/search", { q, limit: 1, timeout: LOOK }, signal));
  const found = newest.data?.data.rows[0];
  const isNone = newest.data !== undefined && !found && newest.data.warnings.length === 0;
  if (isNone && !isFiltered) {
    return (
      <Empty title="No log record was ever received.">
        <p>Send some over OTLP, as JSON lines, or from an agent that you have: a page shows how, with the address of this server in it.</p>
        <a class="btn primary" href={href("/send")}>Send your data</a>
      </Empty>
    );
  }
  return (
    <Empty title={isFiltered ? "No record matches in this time." : "No log record in this time."}>
      <p role="status">{found ? `The newest that matches: ${ago(timeMs(found))}.` : isNone ? "Nothing that is stored matches." : newest.loading ? "Looking for the newest match…" : "The newest match was not found quickly."}</p>
      <div class="row">
        {found && <button class="btn primary" onClick={() => setRange(iso(timeMs(found) - AROUND_MS), iso(timeMs(found) + AROUND_MS))}>Go there</button>}
        {end - start < 86_400_000 && !isNone && <button class="btn" onClick={() => setRange("now-24h", "now")}>Look in the last 24 h</button>}
        {isFiltered && <button class="btn" onClick={() => search("")}>Take the filters away</button>}
      </div>
      {isFiltered && <p>Words match whole words, and fields their whole value: a star at the end finds what begins so.</p>}
      {isFiltered && <SearchHelp />}
    </Empty>
  );
}
