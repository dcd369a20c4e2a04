// One objective: what is left, how fast it goes and until when, when it was eaten and by what, and what
// another target would have done.
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import type { Slo as Objective, SloBudget } from "../../lib/model";
import { queryInstant } from "../../lib/promql";
import { href, param } from "../../lib/router";
import { from, range, tick, to } from "../../lib/time";
import { digits, formatCount, formatRatio } from "../../lib/units";
import type { PageProps } from "../../routes";
import { Badge, Empty, ErrorBox, Segmented } from "../../ui/parts";
import { setParams } from "../../lib/router";
import { causeParts, suspect } from "../overview/cause";
import { burnSentence } from "../overview/health";
import { Eaten, OverTime } from "./Charts";
import { allowance, percent, selectorOf, stateOf, tiersOf } from "./model";
import "./slos.css";
import { Target } from "./Target";

export default function Slo({ parts: { name } }: PageProps) {
  const at = `${name} ${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data, error, reload } = useLoad(at, async (signal) => (await ask<Objective[]>("/api/v1/slos", { name }, signal)).data[0]);
  if (error && !data) {
    return (
      <div class="page"><ErrorBox error={error} retry={reload}><a class="btn small" href={href("/slos")}>All objectives</a></ErrorBox></div>
    );
  }
  if (!data) return <div class="page slo-page"><div class="panel placeholder" /></div>;
  const groups = data.budgets.map((budget) => JSON.stringify(budget.group));
  const budget = data.budgets[Math.max(0, groups.indexOf(param("group")))];
  const { state, word } = stateOf(budget);
  return (
    <div class="page slo-page">
      <div class="row">
        <a class="muted" href={href("/slos", { group: null })}>SLOs</a>
        <Badge state={state}>{word}</Badge>
        <h2 class="data title">{data.name}</h2>
        <span class="muted">{percent(data.target)} over {data.window} · <a href={href(`/service/${encodeURIComponent(data.service)}`, { group: null })}>{data.service}</a></span>
        <span class="grow" />
        <a class="btn" href={href("/alerts", { q: `slo=${data.name}`, group: null })}>Alerts</a>
        <a class="btn" href={href("/traces", { q: `service:${JSON.stringify(data.service)} status:error`, group: null })}>Failed traces</a>
        <a class="btn" href={href("/logs", { q: `service:${JSON.stringify(data.service)} level>=error`, group: null })}>Errors in logs</a>
      </div>
      {data.description && <p class="summary data">{data.description}</p>}
      {groups.length > 1 && groups.length <= 12 && (
        <Segmented label="Group" value={JSON.stringify(budget.group)} choices={data.budgets.map((one) => ({ value: JSON.stringify(one.group), label: Object.values(one.group).join(" ") }))} onChange={(group) => setParams({ group })} />
      )}
      {groups.length > 12 && (
        <select class="input" aria-label="Group" value={JSON.stringify(budget.group)} onChange={(e) => setParams({ group: e.currentTarget.value })}>
          {data.budgets.map((one) => <option key={JSON.stringify(one.group)} value={JSON.stringify(one.group)}>{Object.values(one.group).join(" ")}</option>)}
        </select>
      )}
      {budget ? <Measured slo={data} budget={budget} at={at} /> : <Empty title="Nothing was counted yet."><p>The ledger counts events from the moment the objective was set. Are its selectors right?</p><code>{data.file}:{data.line}</code></Empty>}
    </div>
  );
}

function Measured({ slo, budget, at }: { slo: Objective; budget: SloBudget; at: string }) {
  return (
    <>
      <Numbers slo={slo} budget={budget} at={at} />
      <OverTime slo={slo} budget={budget} at={at} />
      <div class="cards wide">
        <Eaten slo={slo} budget={budget} at={at} />
        <Tiers slo={slo} budget={budget} />
      </div>
      <Target slo={slo} budget={budget} at={at} />
      <p class="muted small">Written in <code class="data">{slo.file}:{slo.line}</code></p>
    </>
  );
}

function Numbers({ slo, budget, at }: { slo: Objective; budget: SloBudget; at: string }) {
  const { data: cause } = useLoad(budget.burning.length > 0 ? `${slo.service} ${at}` : null, (signal) => suspect(slo.service, range.value, signal));
  const { data: young } = useLoad(`${slo.name} young`, async (signal) => {
    const old = await queryInstant(`tarn:slo_valid_total${selectorOf(slo, budget)} offset ${slo.window}`, Date.now(), signal);
    return old.data.length === 0;
  });
  const counts = allowance(slo, budget);
  const left = budget.budget_left ?? 0;
  return (
    <section class={`panel verdict ${stateOf(budget).state}`} aria-label="Budget">
      <div class="big"><b class={left <= 0 ? "bad" : ""}>{left <= 0 ? `${digits(-left * 100)} % over` : formatRatio(left)}</b><span class="muted">{left <= 0 ? "the budget" : "of the budget left"}</span></div>
      <div class="grow words">
        <p>{burnSentence(slo, budget)}</p>
        {counts && <p class="muted">{formatCount(counts.bad)} bad of {formatCount(budget.valid ?? 0)} events; {percent(slo.target)} allows {formatCount(counts.allowed)}.</p>}
        {cause && causeParts(cause).length > 0 && (
          <p>Suspected: {causeParts(cause).map((part, i) => <span key={i}>{i > 0 && " · "}{part.text}<b class="data">{part.strong}</b>{part.after}</span>)}</p>
        )}
        {young && <p class="muted">The ledger is younger than {slo.window}: the budget is that of the time since it began.</p>}
      </div>
    </section>
  );
}

function Tiers({ slo, budget }: { slo: Objective; budget: SloBudget }) {
  const fires = (name: string, severity: string) => budget.burning.some((one) => one.tier === name && one.severity === severity);
  return (
    <section class="panel" aria-label="Alerts of this objective">
      <header><h2>What pages when</h2><span class="muted">a tier fires while both windows burn faster than its rate</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Tier</th><th>Windows</th><th class="num">fires above</th><th class="num">now, long</th><th class="num">now, short</th><th>State</th></tr></thead>
          <tbody>
            {tiersOf(slo.target, slo.window).map((tier) => (
              <tr key={`${tier.severity} ${tier.name}`}>
                <td>{tier.severity}, {tier.name}</td>
                <td>{tier.long} and {tier.short}</td>
                <td class="num">{digits(tier.factor)}×</td>
                {[tier.long, tier.short].map((window) => (
                  <td key={window} class={`num ${(budget.burn[window] ?? 0) > tier.factor ? "bad" : ""}`}>{budget.burn[window] === undefined ? "–" : `${digits(budget.burn[window])}×`}</td>
                ))}
                <td>{fires(tier.name, tier.severity) ? <Badge state={tier.severity === "page" ? "err" : "warn"}>fires</Badge> : <Badge state="ok">quiet</Badge>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
