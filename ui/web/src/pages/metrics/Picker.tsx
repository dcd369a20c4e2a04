// The list of metrics: type, name; searched on the server while typing.
import { useMemo, useRef, useState } from "preact/hooks";
import { useLoad } from "../../lib/load";
import { from, to } from "../../lib/time";
import { ErrorBox } from "../../ui/parts";
import { VirtualList, type ListHandle } from "../../ui/VirtualList";
import { findMetrics, type Kind, type Metric } from "./names";

const LETTER: Record<Kind, string> = { counter: "C", gauge: "G", histogram: "H", summary: "S", state: "U", info: "I" };

export function Picker({ current, onPick, filter, onFilter }: { current: string | null; onPick: (metric: Metric) => void; filter: string; onFilter: (text: string) => void }) {
  const [row, setRow] = useState(0);
  const handle = useRef<ListHandle | null>(null);
  const { data, error, reload } = useLoad(`${filter} ${from.value} ${to.value}`, async (signal) => {
    // Typing asks once it pauses.
    await new Promise((done) => setTimeout(done, filter ? 120 : 0));
    return findMetrics(filter, signal);
  });
  const metrics = useMemo(() => data?.metrics ?? [], [data]);
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) {
      event.preventDefault();
      const next = Math.max(0, Math.min(metrics.length - 1, row + step));
      setRow(next);
      handle.current?.scrollTo(next);
    } else if (event.key === "Enter" && metrics[row]) {
      event.preventDefault();
      onPick(metrics[row]);
    }
  };
  return (
    <aside class="mpicker" aria-label="Metrics">
      <input class="input" data-search value={filter} placeholder={data ? `Filter ${metrics.length}${data.truncated ? "+" : ""} metrics` : "Filter metrics"} aria-label="Filter metrics" onInput={(e) => { setRow(0); onFilter(e.currentTarget.value); }} onKeyDown={move} spellcheck={false} />
      {error && <ErrorBox error={error} retry={reload} />}
      {data && metrics.length === 0 && <p class="muted">No metric has this in its name in this range.</p>}
      <VirtualList
        class="mlist" role="list" label="Metrics" count={metrics.length} rowHeight={24} handle={handle} onKeyDown={move} version={data}
        render={(i) => {
          const metric = metrics[i];
          return (
            <div role="listitem" key={metric.name}>
              <button tabIndex={-1} class={`mrow ${i === row ? "at" : ""}`} aria-current={metric.name === current} title={`${metric.name}${metric.help ? `: ${metric.help}` : ""}`} onClick={() => { setRow(i); onPick(metric); }}>
                <span class="letter" title={metric.kind}>{LETTER[metric.kind]}</span>
                <span class="clip mono data">{metric.name}</span>
              </button>
            </div>
          );
        }}
      />
      {data?.truncated && <p class="statsline">The first {metrics.length} are shown: type more of the name.</p>}
    </aside>
  );
}
