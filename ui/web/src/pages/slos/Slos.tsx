// Objectives: how much of each budget is left, how fast it goes, in words, worst first.
import { Spark } from "../../chart/Spark";
import { ask } from "../../lib/api";
import { useLoad } from "../../lib/load";
import type { Slo } from "../../lib/model";
import { queryRange, type Matrix } from "../../lib/promql";
import { href, param, setParams } from "../../lib/router";
import { from, range, rangeLabel, stepFor, tick, to } from "../../lib/time";
import { digits, formatRatio } from "../../lib/units";
import { Badge, Empty, ErrorBox, Notices } from "../../ui/parts";
import { budgetSentence, burnSentence } from "../overview/health";
import { itemsOf, percent, type Item } from "./model";
import "./slos.css";

const WINDOWS = ["5m", "1h", "6h", "3d"];
const POINTS = 120;

export const linkOf = ({ slo, budget }: Pick<Item, "slo" | "budget">) => href(`/slos/${encodeURIComponent(slo.name)}`, { group: budget && Object.keys(budget.group).length > 0 ? JSON.stringify(budget.group) : null, q: null });

export default function Slos() {
  const at = `${from.value} ${to.value} ${tick.value} ${param("tenant")}`;
  const { data, error, loading, reload } = useLoad(at, async (signal) => {
    const [slos, burn] = await Promise.all([
      ask<Slo[]>("/api/v1/slos", {}, signal),
      queryRange("slo:sli_error:ratio_rate5m", range.value, stepFor(range.value, POINTS), signal).catch(() => null),
    ]);
    return { slos: slos.data, burn: burn?.data, warnings: slos.warnings };
  });
  const search = param("q").toLowerCase();
  const all = data ? itemsOf(data.slos) : [];
  const items = all.filter(({ slo, group }) => `${slo.name} ${slo.service} ${slo.description} ${group}`.toLowerCase().includes(search));
  return (
    <div class="page slo-page">
      {error && <ErrorBox error={error} retry={reload}><a class="btn small" href={href("/alerts")}>Problems of rules and objectives</a></ErrorBox>}
      <Notices list={data?.warnings} />
      <section class={`panel ${loading && data ? "busy" : ""}`} aria-label="Objectives">
        <header>
          <h2>{data ? counted(all) : "…"}</h2>
          <span class="muted">worst first · errors over {rangeLabel().toLowerCase()}</span>
          <span class="grow" />
          {all.length > 8 && <input class="input search" type="search" placeholder="Search objectives" aria-label="Search objectives" value={param("q")} onInput={(e) => setParams({ q: e.currentTarget.value }, { replace: true })} />}
        </header>
        {items.length > 0 ? (
          <div class="scroll-x" tabIndex={0}>
            <table class="table slos">
              <thead>
                <tr>
                  <th>State</th><th>Objective</th><th>In words</th><th class="left">Budget left</th>
                  {WINDOWS.map((window) => <th class="num burn" key={window}>{window}</th>)}
                  <th class="pic">Errors</th>
                </tr>
              </thead>
              <tbody>{items.map((item) => <SloRow key={`${item.slo.name} ${item.group}`} item={item} burn={data?.burn} />)}</tbody>
            </table>
          </div>
        ) : data && data.slos.length === 0 ? (
          <Empty title="No objectives are set.">
            <p>An objective says which share of events must be good. Tarn counts them, shows what is left of the budget and pages when it burns.</p>
            <pre class="panel body example">{EXAMPLE}</pre>
            <p>Put it into a file that <code>alerting.slo_files</code> names; it is taken up within seconds.</p>
          </Empty>
        ) : data ? <Empty title={`No objective matches “${param("q")}”.`} /> : <div class="placeholder" />}
      </section>
      {items.length > 0 && <p class="muted small">Burn rates by window: 1× uses the budget up exactly at the end of the objective's window.</p>}
    </div>
  );
}

const EXAMPLE = `slos:
- name: checkout
  service: checkout
  objective: 99.9
  window: 30d
  sli:
    ratio:
      bad: http_requests_total{job="checkout", code=~"5.."}
      valid: http_requests_total{job="checkout"}`;

function counted(items: readonly Item[]): string {
  const of = (state: Item["state"]) => items.filter((item) => item.state === state).length;
  const parts = [[of("err"), "burning"], [of("warn"), "warning"], [of("ok"), "within budget"], [of("none"), "without events"]] as const;
  return parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`).join(" · ") || "No objectives";
}

function SloRow({ item, burn }: { item: Item; burn?: Matrix }) {
  const { slo, budget, group, state, word } = item;
  const series = burn?.series.find((one) => one.labels.slo === slo.name && Object.entries(budget?.group ?? {}).every(([n, v]) => one.labels[n] === v));
  return (
    <tr>
      <td><Badge state={state}>{word}</Badge></td>
      <td class="name">
        <a class="data" href={linkOf(item)}>{slo.name}{group && ` ${group}`}</a>
        <div class="muted">{percent(slo.target)} over {slo.window} · <a href={href(`/service/${encodeURIComponent(slo.service)}`)}>{slo.service}</a></div>
      </td>
      <td class="words">{budget ? (budget.burning.length > 0 ? burnSentence(slo, budget) : budgetSentence(slo, budget)) : "nothing was counted yet"}</td>
      <td class="left"><BudgetBar left={budget?.budget_left ?? null} /></td>
      {WINDOWS.map((window) => <BurnCell key={window} burn={budget?.burn[window]} />)}
      <td class="pic"><Spark values={series?.values ?? []} color={state === "err" ? "--err" : state === "warn" ? "--warn-fill" : "--fg-3"} max={(1 - slo.target) * 2} /></td>
    </tr>
  );
}

export function BudgetBar({ left }: { left: number | null }) {
  if (left === null) return <span class="muted">–</span>;
  return (
    <span class="row nowrap">
      <span class={`bar ${left <= 0 ? "err" : left < 0.3 ? "warn" : ""}`} aria-hidden="true"><i style={{ width: `${Math.max(2, Math.min(100, left * 100))}%` }} /></span>
      <span class={left <= 0 ? "bad" : ""}>{left <= 0 ? "used up" : formatRatio(left)}</span>
    </span>
  );
}

function BurnCell({ burn }: { burn: number | undefined | null }) {
  if (burn === undefined || burn === null) return <td class="num burn muted">–</td>;
  return <td class={`num burn ${burn > 6 ? "bad" : burn > 1 ? "some" : ""}`}>{digits(burn)}×</td>;
}
