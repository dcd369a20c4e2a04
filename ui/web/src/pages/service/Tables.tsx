// Operations, neighbours, instances and versions of a service: every number leads to the rows behind it.
import { useState } from "preact/hooks";
import { href } from "../../lib/router";
import type { Hues } from "../../lib/services";
import { termText } from "../../lib/terms";
import { ago, formatTime, iso } from "../../lib/time";
import { format, formatNs, formatRatio } from "../../lib/units";
import { busy, sortOperations, type Deploy, type Instance, type Neighbour, type Operation, type OperationSort } from "./model";

/** Rows of a table before "show all". */
const SHOWN = 12;

export function Errors({ ratio }: { ratio: number | null }) {
  if (ratio === null) return <>–</>;
  return <span class={ratio > 0.01 ? "bad" : ratio > 0 ? "" : "muted"}>{ratio > 0.01 ? "▲ " : ""}{formatRatio(ratio)}</span>;
}

const COLUMNS: [OperationSort, string][] = [["spans_per_second", "Rate"], ["errors_ratio", "Errors"], ["p99_ns", "p99"], ["time", "Time in all"]];

export function Operations({ name, list }: { name: string; list: readonly Operation[] }) {
  const [by, setBy] = useState<OperationSort>("time");
  const [isOpen, setOpen] = useState(false);
  const sorted = sortOperations(list, by);
  const most = Math.max(1, ...list.map(busy));
  const q = (one: Operation) => `${termText("service", name)} ${termText("name", one.name)}`;
  return (
    <section class="panel">
      <header><h2>Operations</h2><span class="muted">{list.length}</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead>
            <tr>
              <th>Operation</th><th>Kind</th>
              {COLUMNS.map(([column, title]) => (
                <th key={column} class="num" aria-sort={by === column ? "descending" : undefined}><button onClick={() => setBy(column)}>{title}{by === column ? " ▾" : ""}</button></th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(isOpen ? sorted : sorted.slice(0, SHOWN)).map((one) => (
              <tr key={`${one.kind} ${one.name}`}>
                <td><a class="data" href={href("/traces", { q: q(one) })}>{one.name}</a></td>
                <td class="muted">{one.kind}</td>
                <td class="num">{format(one.spans_per_second, "/s")}</td>
                <td class="num">{one.errors_ratio ? <a href={href("/traces", { q: `${q(one)} status:error` })}><Errors ratio={one.errors_ratio} /></a> : <Errors ratio={one.errors_ratio} />}</td>
                <td class="num" title={`p50 ${formatNs(one.p50_ns ?? NaN)}`}>{one.p99_ns === null ? "–" : <a href={href("/traces", { q: `${q(one)} duration>=${Math.floor(one.p99_ns)}ns`, sort: "slowest" })}>{formatNs(one.p99_ns)}</a>}</td>
                <td class="num"><span class="bar" title="How often times the p50"><i style={{ width: `${(100 * busy(one)) / most}%`, background: "var(--c1)" }} /></span></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.length > SHOWN && <button class="btn plain small" onClick={() => setOpen(!isOpen)}>{isOpen ? "Fewer" : `All ${list.length}`}</button>}
    </section>
  );
}

export function Neighbours({ title, none, list, hues }: { title: string; none: string; list: readonly Neighbour[]; hues: Hues }) {
  return (
    <section class="panel">
      <header><h2>{title}</h2><span class="muted">{list.length || ""}</span></header>
      {list.length === 0 && <p class="body muted">{none}</p>}
      {list.length > 0 && (
        <div class="scroll-x" tabIndex={0}>
          <table class="table">
            <thead><tr><th>Service</th><th class="num">Rate</th><th class="num">Errors</th><th class="num">p99</th></tr></thead>
            <tbody>
              {list.slice(0, 50).map((one) => (
                <tr key={`${one.service} ${one.connection_type}`}>
                  <td>
                    <i class="swatch" style={{ background: hues(one.service).css }} />{" "}
                    {one.connection_type === "" ? <a class="data" href={href(`/service/${encodeURIComponent(one.service)}`)}>{one.service}</a> : <span class="data">{one.service} <span class="muted">{KINDS[one.connection_type] ?? one.connection_type}</span></span>}
                  </td>
                  <td class="num">{format(one.spans_per_second, "/s")}</td>
                  <td class="num"><Errors ratio={one.errors_ratio} /></td>
                  <td class="num">{one.p99_ns === null ? "–" : formatNs(one.p99_ns)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

const KINDS: Record<string, string> = { database: "database", messaging_system: "queue", virtual_node: "outside" };

export function Deploys({ name, list }: { name: string; list: readonly Deploy[] }) {
  if (list.length === 0) return null;
  return (
    <section class="panel">
      <header><h2>Versions</h2></header>
      <ul class="body plainlist">
        {list.slice(0, 12).map((one) => (
          <li key={one.version}>
            <a class="mono data" href={href("/traces", { q: `${termText("service", name)} ${termText("service.version", one.version)}` })}>{one.version}</a>
            <span class="muted">{one.before_start ? `was there before ${formatTime(one.first_seen_ms).slice(5, 16)}` : <>first seen <a href={href(`/service/${encodeURIComponent(name)}`, { from: iso(one.first_seen_ms - 1_800_000), to: iso(one.first_seen_ms + 1_800_000) })}>{formatTime(one.first_seen_ms).slice(5)}</a></>}, last {ago(one.last_seen_ms)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Instances({ list }: { list: readonly Instance[] }) {
  const [isOpen, setOpen] = useState(false);
  if (list.length === 0) return null;
  const shown = isOpen ? list.slice(0, 500) : list.slice(0, SHOWN);
  return (
    <section class="panel">
      <header><h2>Instances</h2><span class="muted">{list.length}</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Instance</th><th>Where</th><th>Version</th><th class="num">Last seen</th></tr></thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.id}>
                <td class="mono data">{one.id}</td>
                <td class="data">{one.pod ?? one.host ?? "–"}</td>
                <td class="mono data">{one.version ?? "–"}</td>
                <td class="num muted">{ago(one.last_seen_ms)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.length > SHOWN && <button class="btn plain small" onClick={() => setOpen(!isOpen)}>{isOpen ? "Fewer" : `All ${list.length}`}</button>}
    </section>
  );
}
