// Every rule: whether it can be evaluated, what it costs, what it says.
import { href, param, setParams } from "../../lib/router";
import { ago } from "../../lib/time";
import { formatNs } from "../../lib/units";
import { Badge, Empty, type State } from "../../ui/parts";
import type { Rule, RuleGroup } from "./model";

function stateOf(rule: Rule): { state: State; word: string } {
  if (rule.health === "err") return { state: "err", word: "fails" };
  if (rule.type === "recording") return { state: "none", word: "records" };
  if (rule.state === "firing") return { state: "warn", word: "firing" };
  if (rule.state === "pending") return { state: "info", word: "pending" };
  return rule.health === "unknown" ? { state: "none", word: "waits" } : { state: "ok", word: "quiet" };
}

export function Rules({ groups }: { groups: readonly RuleGroup[] }) {
  const search = param("q").toLowerCase();
  const shown = groups
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => !search || `${rule.name} ${rule.query} ${group.name} ${group.file}`.toLowerCase().includes(search)) }))
    .filter((group) => group.rules.length > 0);
  const failing = groups.flatMap((g) => g.rules).filter((rule) => rule.health === "err").length;
  return (
    <>
      <div class="row">
        <span class="muted">{groups.reduce((n, g) => n + g.rules.length, 0)} rules in {groups.length} groups{failing > 0 && <> · <b class="bad">{failing} cannot be evaluated</b></>}</span>
        <span class="grow" />
        <input class="input search" type="search" placeholder="Search rules" aria-label="Search rules" value={param("q")} onInput={(e) => setParams({ q: e.currentTarget.value }, { replace: true })} />
      </div>
      {shown.length === 0 && <Empty title={groups.length === 0 ? "There are no rules." : "No rule matches."} />}
      {shown.map((group) => (
        <section class="panel" key={`${group.file};${group.name}`} aria-label={group.name}>
          <header><h2 class="data">{group.name}</h2><span class="muted data">{group.file} · every {formatNs(group.interval * 1e9)}</span></header>
          <div class="scroll-x" tabIndex={0}>
            <table class="table rules">
              <thead><tr><th>State</th><th>Rule</th><th>Expression</th><th class="num">Took</th><th class="num">Evaluated</th></tr></thead>
              <tbody>
                {group.rules.map((rule, i) => {
                  const { state, word } = stateOf(rule);
                  return (
                    <tr key={i}>
                      <td><Badge state={state}>{word}</Badge></td>
                      <td class="data name">{rule.type === "alerting" ? <a href={href(`/alerts/${encodeURIComponent(rule.name)}`, { q: null, view: null })}>{rule.name}</a> : rule.name}</td>
                      <td class="expr">
                        <a class="mono data" title={rule.query.length > 300 ? "The whole expression is on the page of the rule" : undefined} href={href("/metrics", { q: rule.query, view: null })}>{rule.query}</a>
                        {rule.lastError && <div class="bad data">{rule.lastError}</div>}
                      </td>
                      <td class="num">{formatNs(rule.evaluationTime * 1e9)}</td>
                      <td class="num muted">{rule.lastEvaluation.startsWith("0001") ? "not yet" : ago(Date.parse(rule.lastEvaluation))}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </section>
      ))}
    </>
  );
}
