// What fails in a service, and what its logs say.
import { Bars } from "../../chart/Bars";
import { useLoad } from "../../lib/load";
import { href, param } from "../../lib/router";
import { termText } from "../../lib/terms";
import { oneLine, visible } from "../../lib/text";
import { ago, formatTime, range } from "../../lib/time";
import { formatCount } from "../../lib/units";
import { ErrorBox } from "../../ui/parts";
import { askErrors, askLevels, askStored, logsOf, type TopError } from "./model";

export function TopErrors({ name, list }: { name: string; list: readonly TopError[] }) {
  const ids = list.map((one) => one.trace_id);
  const stored = useLoad(ids.length > 0 ? ids.join() : null, (signal) => askStored(ids, signal)).data;
  return (
    <section class="panel">
      <header><h2>Top errors of its spans</h2>{list.length > 0 && <a class="muted" href={href("/traces", { q: `${termText("service", name)} status:error` })}>all failed traces</a>}</header>
      {list.length === 0 && <p class="body muted">No span failed in this range.</p>}
      <ul class="body plainlist">
        {list.slice(0, 10).map((one) => (
          <li key={one.message}>
            <b class="bad">▲ {formatCount(one.count)}</b>
            <span class="grow data">{visible(one.message || "(no message)")}</span>
            <span class="muted">{ago(one.last_seen_ms)}</span>
            {stored?.has(one.trace_id) && <a href={href(`/traces/${one.trace_id}`, { span: one.span_id })}>example trace</a>}
          </li>
        ))}
      </ul>
    </section>
  );
}

const LEVELS: Record<string, string> = { unset: "--c-ctx", trace: "--c-ctx", debug: "--c-ctx", info: "--c1", warn: "--warn-fill", error: "--err", fatal: "--c7" };

export function ServiceLogs({ name }: { name: string }) {
  const span = range.value;
  const key = `${param("tenant")} ${name} ${span.start} ${span.end}`;
  const levels = useLoad(key, (signal) => askLevels(name, span, signal));
  const errors = useLoad(key, (signal) => askErrors(name, span, signal));
  const data = levels.data?.data;
  const rows = errors.data?.data.rows ?? [];
  const traced = rows.map((row) => row.trace_id ?? "").filter(Boolean);
  const stored = useLoad(traced.length > 0 ? traced.join() : null, (signal) => askStored(traced, signal)).data;
  // The worst lie at the bottom, where they are compared best.
  const layers = data ? data.levels.map((level, i) => ({ name: level, color: LEVELS[level] ?? "--c-ctx", counts: data.counts[i] })).reverse() : [];
  return (
    <section class="panel">
      <header><h2>Logs</h2>{data && <span class="muted">{formatCount(data.total)} records</span>}<a href={href("/logs", { q: logsOf(name) })}>all logs</a>{rows.length > 0 && <a href={href("/logs", { q: `${logsOf(name)} level>=error` })}>errors only</a>}</header>
      {(levels.error ?? errors.error) && <div class="body"><ErrorBox error={(levels.error ?? errors.error)!} retry={() => { levels.reload(); errors.reload(); }} /></div>}
      {data && data.total > 0 && <Bars startMs={data.start_ms} stepMs={data.step_ms} layers={layers} label={`Log records of ${name} over time, by level`} height={84} />}
      {data && data.total === 0 && <p class="body muted">It sent no logs in this range. With the resource attribute service.name set to the same name they stand here.</p>}
      <ul class="body plainlist">
        {rows.slice(0, 8).map((row) => (
          <li key={row.timestamp_unix_nano}>
            <span class="mono muted">{formatTime(Number(BigInt(row.timestamp_unix_nano) / 1_000_000n)).slice(5)}</span>
            <span class="grow mono data line1">{oneLine(typeof row.body === "string" ? row.body : JSON.stringify(row.body))}</span>
            {row.trace_id && stored?.has(row.trace_id) && <a href={href(`/traces/${row.trace_id}`, { span: row.span_id })}>trace</a>}
          </li>
        ))}
      </ul>
    </section>
  );
}
