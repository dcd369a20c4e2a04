// Traces: a search, what its spans look like over time, and the traces that it finds.
import { useMemo, useState } from "preact/hooks";
import { useLoad } from "../../lib/load";
import { LIMITS } from "../../lib/limits";
import { href, param, setParams } from "../../lib/router";
import { serviceHues, serviceNames } from "../../lib/services";
import { chosen, toggle } from "../../lib/terms";
import { range, zoomOut } from "../../lib/time";
import { formatCount } from "../../lib/units";
import { Empty, ErrorBox, Notices, Segmented, StatsLine } from "../../ui/parts";
import { Facets } from "./Facets";
import { List, Picked, sortBy } from "./List";
import { Red } from "./Red";
import { SearchLine } from "./SearchLine";
import { SORTS, askFacets, askHistogram, searchTraces, sorted, type Sort } from "./model";
import "./traces.css";

/** Columns of the histogram. */
const BUCKETS = 90;

export default function TracesPage() {
  const q = param("q");
  const limit = param("all") ? LIMITS.tracesMax : LIMITS.traces;
  const span = range.value;
  const key = `${param("tenant")} ${q} ${span.start} ${span.end}`;
  const found = useLoad(`${key} ${limit}`, (signal) => searchTraces(q, span, limit, signal));
  const histogram = useLoad(key, (signal) => askHistogram(q, span, BUCKETS, signal));
  const services = [...chosen(q, "service").included];
  const facets = useLoad(`${param("tenant")} ${services.join()} ${span.start} ${span.end}`, (signal) => askFacets(services, span, signal));
  const names = useLoad(param("tenant"), () => serviceNames()).data;
  const sort = SORTS.find(({ value }) => value === param("sort"))?.value ?? "newest";
  const [picked, setPicked] = useState<string[]>([]);
  const list = useMemo(() => sorted(found.data?.data.traces ?? [], sort), [found.data, sort]);
  const hues = useMemo(() => serviceHues(names ?? [], list.flatMap((one) => one.services.map((s) => s.name))), [names, list]);
  const pick = (id: string) => setPicked((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old.slice(-1), id]));
  const isWrong = found.error?.status === 400;
  return (
    <div class="traces">
      <Facets facets={facets.data ?? []} q={q} hues={hues} onToggle={(key, value) => setParams({ q: toggle(q, key, value, "include") })} />
      <div class="tmain">
        <div class="tlead">
          <SearchLine applied={q} error={isWrong ? found.error : undefined} facets={facets.data ?? []} />
          {histogram.data && !isWrong && <Red data={histogram.data.data} q={q} isBusy={histogram.loading} />}
          {histogram.error && !isWrong && <ErrorBox error={histogram.error} retry={histogram.reload} />}
          <Notices list={[...new Set([...(found.data?.warnings ?? []), ...(histogram.data?.warnings ?? [])])]} />
          <div class="row">
            <Segmented<Sort> label="Sort" value={sort} choices={SORTS} onChange={sortBy} />
            <StatsLine stats={found.data?.stats}>{found.data && !found.error ? said(list.length, limit, sort) : ""}</StatsLine>
            {list.length === LIMITS.traces && limit === LIMITS.traces && <button class="btn small" onClick={() => setParams({ all: true })}>Show up to {formatCount(LIMITS.tracesMax)}</button>}
            <Picked picked={picked} clear={() => setPicked([])} />
          </div>
        </div>
        {found.error && !isWrong && <div class="page"><ErrorBox error={found.error} retry={found.reload} /></div>}
        {!found.error && list.length > 0 && <div class={`tbody${found.loading ? " busy" : ""}`}><List list={list} hues={hues} picked={picked} onPick={pick} /></div>}
        {!found.error && found.data && list.length === 0 && <Nothing q={q} hasSpans={(names?.length ?? 0) > 0} />}
        {!found.data && found.loading && <div class="progress" role="progressbar" aria-label="Searching" />}
      </div>
    </div>
  );
}

function said(count: number, limit: number, sort: Sort): string {
  const isCut = count >= limit;
  const what = isCut ? `the newest ${formatCount(count)} traces` : `${formatCount(count)} trace${count === 1 ? "" : "s"}`;
  return isCut && sort !== "newest" ? `${what}, sorted; narrow the search for older ones` : what;
}

function Nothing({ q, hasSpans }: { q: string; hasSpans: boolean }) {
  if (!hasSpans && q === "") {
    return (
      <Empty title="No traces yet">
        <p>Nobody has sent a span to this tenant. An OpenTelemetry SDK or Collector sends them to this address.</p>
        <a class="btn primary" href={href("/send")}>Send your data</a>
      </Empty>
    );
  }
  return (
    <Empty title={q ? "No trace matches" : "No traces in this range"}>
      <p>{q ? "A trace is found when one of its spans matches all of the search, in the range of time above." : "Spans are stored, but none of them began in this range of time."}</p>
      <div class="row">
        <button class="btn" onClick={zoomOut}>Look at twice the time</button>
        {q && <button class="btn" onClick={() => setParams({ q: null })}>Clear the search</button>}
      </div>
    </Empty>
  );
}
