// What is being asked of the server right now, and what took long: with an end to it, and the way to ask
// the same again.
import { useState } from "preact/hooks";
import { ask, write, type ApiError } from "../../lib/api";
import { asError, useLoad } from "../../lib/load";
import { href, param } from "../../lib/router";
import { ago, tick } from "../../lib/time";
import { formatBytes, formatCount, formatNs } from "../../lib/units";
import { Act } from "../../ui/act";
import { Badge, Copy, Empty, ErrorBox } from "../../ui/parts";
import "./queries.css";

interface Asked {
  language: string;
  query: string;
  began_ms: number;
  seconds: number;
  bytes: number;
}

interface Running extends Asked {
  id: string;
}

interface Slow extends Asked {
  rows: number;
  outcome: string;
}

/** The page that asks in a language. */
function again({ language, query }: Asked): string | null {
  if (language === "promql") return href("/metrics", { q: query });
  if (language === "sql") return href("/sql", { q: query });
  return null;
}

export default function Queries() {
  const { data, error, reload } = useLoad(`${tick.value} ${param("tenant")}`, async (signal) => (await ask<{ running: Running[]; slow: Slow[] }>("/api/v1/queries", {}, signal)).data);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const end = (id: string) => write("POST", `/api/v1/queries/${encodeURIComponent(id)}/cancel`).then(() => (setFailed(null), reload()), (why: unknown) => setFailed(asError(why)));
  return (
    <div class="page queries">
      {error && <ErrorBox error={error} retry={reload} />}
      {failed && <ErrorBox error={failed} />}
      {data && (
        <section class="panel" aria-label="Running">
          <header><h2>Running</h2><span class="muted">{data.running.length} now</span><span class="grow" /><button class="btn small" onClick={reload}>Look again</button></header>
          {data.running.length === 0 ? <p class="body muted">Nothing is being asked at this moment.</p> : (
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Running queries">
              <table class="table">
                <thead><tr><th>Language</th><th>Question</th><th class="num">For</th><th class="num">Memory</th><th><span class="sr">Do</span></th></tr></thead>
                <tbody>
                  {data.running.map((one) => (
                    <tr key={one.id}>
                      <td>{one.language}</td>
                      <td><Question one={one} /></td>
                      <td class="num">{formatNs(one.seconds * 1e9)}</td>
                      <td class="num">{formatBytes(one.bytes)}</td>
                      <td><Act role_="editor" class="btn small" onClick={() => end(one.id)}>End it</Act></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      )}
      {data && (
        <section class="panel" aria-label="Slow">
          <header><h2>Slow</h2><span class="muted">the last {data.slow.length} that took half a second or more, since the server began</span></header>
          {data.slow.length === 0 ? <Empty title="Nothing was slow." /> : (
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Slow queries">
              <table class="table">
                <thead><tr><th>Language</th><th>Question</th><th class="num">Took</th><th class="num">Memory</th><th class="num">Rows read</th><th>When</th><th>End</th></tr></thead>
                <tbody>
                  {data.slow.slice(0, 200).map((one, i) => (
                    <tr key={`${one.began_ms} ${i}`}>
                      <td>{one.language}</td>
                      <td><Question one={one} /></td>
                      <td class="num">{formatNs(one.seconds * 1e9)}</td>
                      <td class="num">{formatBytes(one.bytes)}</td>
                      <td class="num">{formatCount(one.rows)}</td>
                      <td class="when">{ago(one.began_ms)}</td>
                      <td>{one.outcome === "ok" ? <Badge state="ok">answered</Badge> : <Badge state="warn">{one.outcome}</Badge>}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      )}
    </div>
  );
}

function Question({ one }: { one: Asked }) {
  const to = again(one);
  const text = one.query || "(everything)";
  return (
    <span class="question">
      {to ? <a class="mono data" href={to}>{text.slice(0, 500)}</a> : <span class="mono data">{text.slice(0, 500)}</span>}
      {text.length > 500 && <Copy text={one.query} label="Copy whole" />}
    </span>
  );
}
