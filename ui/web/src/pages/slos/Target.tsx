// Another target, tried against what happened: what would be left, and how often it would have paged.
import { useMemo } from "preact/hooks";
import { useLoad } from "../../lib/load";
import type { Slo, SloBudget } from "../../lib/model";
import { queryRange } from "../../lib/promql";
import { param, setParams } from "../../lib/router";
import { range, rangeLabel, stepFor } from "../../lib/time";
import { formatRatio } from "../../lib/units";
import { percent, selectorOf, tried } from "./model";

const WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
const POINTS = 500;
const CHOICES = [0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999];

export function Target({ slo, budget, at }: { slo: Slo; budget: SloBudget; at: string }) {
  const selector = selectorOf(slo, budget);
  const { data } = useLoad(`${selector} ${at} shares`, async (signal) => {
    const step = stepFor(range.value, POINTS);
    const answers = await Promise.all(WINDOWS.map((window) => queryRange(`slo:sli_error:ratio_rate${window}${selector}`, range.value, step, signal)));
    return new Map(WINDOWS.map((window, i) => [window, answers[i].data.series[0]?.values ?? []] as const));
  });
  const own = Number(param("target")) / 100;
  const extra = own > 0 && own < 1 ? own : null;
  const targets = useMemo(() => [...new Set([...CHOICES, slo.target, ...(extra ? [extra] : [])])].sort((a, b) => a - b), [slo.target, extra]);
  if (budget.error_ratio === null) return null;
  return (
    <section class="panel" aria-label="Other targets">
      <header>
        <h2>Had the target been another</h2>
        <span class="muted">{rangeLabel()} as it was; a stretch of alerts counts once, the outage tier is left out</span>
        <span class="grow" />
        <label class="row muted">try <input class="input short" inputMode="decimal" placeholder="99.7" value={param("target")} onInput={(e) => setParams({ target: e.currentTarget.value }, { replace: true })} /> %</label>
      </header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>Target</th><th class="num">Budget left</th><th class="num">Pages</th><th class="num">Tickets</th><th class="num">Paging for</th></tr></thead>
          <tbody>
            {targets.map((target) => {
              const left = 1 - (budget.error_ratio ?? 0) / (1 - target);
              const of = data && tried(target, slo.window, data);
              const isOwn = target === slo.target;
              return (
                <tr key={target} class={isOwn ? "current" : ""} aria-current={isOwn ? "true" : undefined}>
                  <td>{percent(target)}{isOwn && <span class="muted"> as set</span>}</td>
                  <td class={`num ${left <= 0 ? "bad" : ""}`}>{left <= 0 ? "used up" : formatRatio(left)}</td>
                  <td class="num">{of ? of.page : "…"}</td>
                  <td class="num">{of ? of.ticket : "…"}</td>
                  <td class="num">{of && of.steps > 0 ? formatRatio(of.firing / of.steps) : "–"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
