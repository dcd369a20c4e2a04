// Rate, errors and durations of the spans that are found: bars, and a heatmap to drag over.
import { Bars } from "../../chart/Bars";
import { Heatmap } from "../../chart/Heatmap";
import { setParams } from "../../lib/router";
import { withoutBounds } from "../../lib/terms";
import { setSpan } from "../../lib/time";
import { format, formatCount, formatNs, formatRatio } from "../../lib/units";
import { durationText } from "./duration";
import type { SpanHistogram } from "./model";

/** The median of the medians that are known: a figure for the head, not for arithmetic. */
function middle(values: readonly (number | null)[]): number {
  const known = values.filter((value): value is number => value !== null).sort((a, b) => a - b);
  return known.length > 0 ? known[known.length >> 1] : NaN;
}

export function Red({ data, q, isBusy }: { data: SpanHistogram; q: string; isBusy: boolean }) {
  const seconds = (data.step_ms * data.spans.length) / 1000;
  const errors = data.errors.reduce((sum, n) => sum + n, 0);
  const high = Math.max(...data.p99_ns.map((value) => value ?? 0));
  const rest = withoutBounds(q, "duration");
  const select = (area: { start: number; end: number; low: number; high: number }) => {
    const bounds = [area.low > 0 ? `duration>${durationText(area.low)}` : "", `duration<=${durationText(area.high)}`];
    setParams({ q: [rest, ...bounds].filter(Boolean).join(" ") });
    setSpan(area);
  };
  const ok = data.spans.map((count, i) => count - data.errors[i]);
  return (
    <div class={`tred${isBusy ? " busy" : ""}`}>
      <section class="panel">
        <header>
          <h2>Spans</h2>
          <span><b>{format(data.total / Math.max(seconds, 1), "/s")}</b> <span class="muted">· {formatCount(data.total)} in all</span></span>
          <span class={errors > 0 ? "terr" : "muted"}>{errors > 0 ? "▲ " : ""}{formatRatio(data.total > 0 ? errors / data.total : 0)} errors</span>
        </header>
        <Bars
          startMs={data.start_ms}
          stepMs={data.step_ms}
          layers={[{ name: "errors", color: "--err", counts: data.errors }, { name: "ok", color: "--c1", counts: ok }]}
          label={`Spans over time: ${formatCount(data.total)}, ${formatCount(errors)} of them errors`}
          height={118}
        />
      </section>
      <section class="panel">
        <header>
          <h2 title="Drag over what looks odd: the search then finds those spans">Durations</h2>
          <span><span class="muted">p50</span> <b>{formatNs(middle(data.p50_ns))}</b> <span class="muted">p99 up to</span> <b>{high > 0 ? formatNs(high) : "–"}</b></span>
          {high > 0 && <button class="btn small" style={{ marginLeft: "auto" }} onClick={() => setParams({ q: [rest, `duration>=${durationText(middle(data.p99_ns))}`].filter(Boolean).join(" ") })}>Slower than the p99</button>}
        </header>
        {data.bounds_ns.length > 0 ? <Heatmap startMs={data.start_ms} stepMs={data.step_ms} bounds={data.bounds_ns} counts={data.counts} unit="ns" label={`Durations over time; the p99 is at most ${formatNs(high)}`} height={118} onSelect={select} /> : <p class="muted" style={{ padding: "40px 12px" }}>No spans.</p>}
      </section>
    </div>
  );
}
