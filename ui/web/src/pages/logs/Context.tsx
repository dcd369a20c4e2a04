// What the same process wrote before and after a record, whatever the search wants.
import { useState } from "preact/hooks";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import { setParams } from "../../lib/router";
import { Icon } from "../../ui/icons";
import { Empty, ErrorBox, Notices } from "../../ui/parts";
import { bodyOf, levelOf, levelWord, rowId, type LogRow } from "./model";
import { rowTime } from "./rowTime";
import { oneLine } from "../../lib/text";

interface Around {
  before: LogRow[];
  row?: LogRow;
  after: LogRow[];
}

/** Rows each way at first, and how many more each step brings. */
const FIRST = 20;
const STEP = 50;
const MOST = 500;

export function Context({ id, row }: { id: string; row: LogRow | undefined }) {
  const [before, setBefore] = useState(FIRST);
  const [after, setAfter] = useState(FIRST);
  const [anchor] = useState(() => row);
  const main = anchor ?? row;
  const key = main ? `${id} ${before} ${after}` : null;
  const { data, error, loading, reload } = useLoad(key, (signal) => ask<Around>("/api/v1/logs/context", { at: main!.timestamp_unix_nano, service: main!.service, q: main!.span_id ? `span:${main!.span_id}` : undefined, before, after }, signal));
  const older = data?.data.before ?? [];
  const newer = data?.data.after ?? [];
  const line = (one: LogRow, isAnchor = false) => (
    <li key={`${rowId(one)}${isAnchor}`} class={`logrow l-${levelOf(one)}`} aria-current={isAnchor || undefined}>
      <time><span class="date">{rowTime(one).slice(0, 11)}</span>{rowTime(one).slice(11)}</time>
      <span class="lvl">{levelWord(one)}</span>
      <span class="clip data svc">{oneLine(one.service ?? "")}</span>
      <span class="data bod">{oneLine(bodyOf(one))}</span>
    </li>
  );
  return (
    <section class="logslist context" aria-label="Context of the record">
      <header>
        <button class="btn small" onClick={() => setParams({ context: null })}><Icon name="left" /> Back to the search</button>
        <span class="statsline clip">{main?.service ? `${oneLine(main.service)}, same resource, oldest first` : "Same resource, oldest first"}</span>
      </header>
      <Notices list={data?.warnings} />
      {error && <ErrorBox error={error} retry={reload} />}
      {!main && <Empty title="The record is not loaded."><p>Go back to the search and choose it again.</p></Empty>}
      {main && (
        <div class={`around ${loading && data ? "busy" : ""}`}>
          {data && <Further isThere={older.length >= before && before < MOST} name="Earlier" run={() => setBefore(before + STEP)} none={before >= MOST ? "Earlier rows: go on with the search." : "Nothing earlier."} />}
          <ol>
            {older.map((one) => line(one))}
            {line(main, true)}
            {newer.map((one) => line(one))}
          </ol>
          {data && <Further isThere={newer.length >= after && after < MOST} name="Later" run={() => setAfter(after + STEP)} none={after >= MOST ? "Later rows: go on with the search." : "Nothing later yet."} />}
        </div>
      )}
    </section>
  );
}

function Further({ isThere, name, run, none }: { isThere: boolean; name: string; run: () => void; none: string }) {
  return <p class="further">{isThere ? <button class="btn small" onClick={run}>{name} rows</button> : <span class="statsline">{none}</span>}</p>;
}
