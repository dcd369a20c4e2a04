// Who did what: the newest events, found by any of their words, older ones as the list is scrolled.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { asError } from "../../../lib/load";
import { param, setParams } from "../../../lib/router";
import { formatTime } from "../../../lib/time";
import { Badge, Empty, ErrorBox, Notices } from "../../../ui/parts";
import { VirtualList } from "../../../ui/VirtualList";
import { listAudit, type Event } from "./fetch";

const PAGE = 200;
const ROW_PX = 26;

interface Read {
  events: Event[];
  next: string | null;
  warnings: string[];
  error?: Error;
}

export function Audit() {
  const [read, setRead] = useState<Read>({ events: [], next: null, warnings: [] });
  const [busy, setBusy] = useState(true);
  const loading = useRef(false);
  const more = async (cursor: string | null, signal?: AbortSignal) => {
    if (loading.current) return;
    loading.current = true;
    setBusy(true);
    try {
      const page = await listAudit(PAGE, cursor, signal);
      const events = page.events.map(({ event }) => event);
      setRead((old) => ({ events: cursor ? [...old.events, ...events] : events, next: page.next_cursor, warnings: page.warnings }));
    } catch (error) {
      if (!signal?.aborted) setRead((old) => ({ ...old, error: asError(error) }));
    }
    loading.current = false;
    setBusy(false);
  };
  useEffect(() => {
    const abort = new AbortController();
    void more(null, abort.signal);
    return () => abort.abort();
  }, []);
  const search = param("q");
  const shown = useMemo(() => read.events.filter((event) => textOf(event).includes(search.toLowerCase())), [read.events, search]);
  return (
    <section class="panel" aria-label="Audit">
      <header>
        <h2>Audit</h2>
        <span class="muted" role="status">{shown.length} event{shown.length === 1 ? "" : "s"}{search ? ` of ${read.events.length} read` : ""}, newest first; <code>tarn audit verify</code> proves that none is missing</span>
        <span class="grow" />
        <input class="input auditsearch" type="search" data-search aria-label="Find in the events" placeholder="who, what, from where" value={search} onInput={(event) => setParams({ q: event.currentTarget.value }, { replace: true })} />
        <button class="btn small" onClick={() => void more(null)}>Look again</button>
      </header>
      {read.error && <ErrorBox error={read.error} retry={() => (setRead({ events: [], next: null, warnings: [] }), void more(null))} />}
      <Notices list={read.warnings} />
      {shown.length > 0 ? (
        <div class="auditgrid">
          <VirtualList
            count={shown.length}
            rowHeight={ROW_PX}
            label="Events"
            columns={6}
            version={shown}
            class="auditlist"
            onRange={(_, last) => last >= shown.length - 20 && read.next && void more(read.next)}
            render={(row) => <Row key={row} event={shown[row]} row={row} />}
          />
        </div>
      ) : !busy && !read.error && <Empty title={search ? `Nothing that was read has “${search}”.` : "Nothing has happened yet."} />}
      {read.next && <p class="body"><button class="btn small" disabled={busy} onClick={() => void more(read.next)}>Older events</button></p>}
    </section>
  );
}

const textOf = (event: Event) => [event.action, event.principal, event.how, event.from, event.tenant, event.target, event.outcome, event.detail].join(" ").toLowerCase();
const STATE = { done: "ok", denied: "warn", failed: "err" } as const;

/** The server writes text or ns since the epoch. */
function timeOf(time: string | number): number {
  return typeof time === "number" ? time / 1e6 : Date.parse(time);
}

function Row({ event, row }: { event: Event; row: number }) {
  const { action, principal, how, from, tenant, target, outcome, detail } = event;
  return (
    <div role="row" aria-rowindex={row + 1} class="auditrow">
      <span role="cell" class="mono muted clip">{formatTime(timeOf(event.time), true)}</span>
      <span role="cell"><Badge state={STATE[outcome as keyof typeof STATE] ?? "none"}>{outcome}</Badge></span>
      <b role="cell" class="clip data">{action}</b>
      <span role="cell" class="clip data" title={how}>{principal || "nobody known"}</span>
      <span role="cell" class="mono muted clip data">{from}</span>
      <span role="cell" class="clip data" title={[tenant, target, detail].filter(Boolean).join(" · ")}>{tenant && <span class="muted">{tenant} · </span>}{target} <span class="muted">{detail}</span></span>
    </div>
  );
}
