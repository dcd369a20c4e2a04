// States over time: a row for each series, a cell for each step, coloured by what the value means.
import { useMemo } from "preact/hooks";
import { LIMITS } from "../lib/limits";
import { formatTime } from "../lib/time";
import { formatOf, formatted, mapped, stateOf } from "./format";
import { listOf, treeOf } from "./model";
import type { PanelProps } from "./registry";

interface Run {
  from: number;
  to: number;
  text: string;
  colour: string;
}

const OWN = ["--c1", "--c3", "--c5", "--c2", "--c4", "--c7", "--c6", "--c8"];

export function StatusPanel({ spec, data }: PanelProps) {
  const rows = useMemo(() => {
    const format = formatOf(treeOf(spec, "format"));
    const thresholds = treeOf(spec, "thresholds");
    const mappings = listOf(spec, "mappings");
    return data.series.slice(0, LIMITS.chartSeries).map((series) => {
      const runs: Run[] = [];
      series.values.forEach((value, i) => {
        if (value === null) return;
        const stands = mapped(value, mappings);
        const text = stands?.text ?? formatted(value, format);
        const last = runs[runs.length - 1];
        if (last && last.to === i && last.text === text) last.to = i + 1;
        else runs.push({ from: i, to: i + 1, text, colour: stands?.colour ?? stateOf(value, thresholds) ?? OWN[Math.abs(Math.round(value)) % OWN.length] });
      });
      return { series, runs };
    });
  }, [data, spec]);
  const count = Math.max(1, data.times.length);
  if (rows.length === 0) return <p class="nodata muted">No data in this range.</p>;
  return (
    <div class="panelscroll" tabIndex={0} role="group" aria-label="States over time">
      <table class="barrows states">
        <tbody>
          {rows.map(({ series, runs }) => (
            <tr key={`${series.query} ${series.name}`}>
              <th scope="row" class="clip data" title={series.name}>{series.name}</th>
              <td>
                <span class="statebar" role="img" aria-label={runs.length > 0 ? `${runs.length} states, now ${runs[runs.length - 1].text}` : "no data"}>
                  {runs.slice(0, 500).map((run) => (
                    <i key={run.from} title={`${formatTime(data.times[run.from] * 1000)}: ${run.text}`} style={{ left: `${(run.from / count) * 100}%`, width: `${((run.to - run.from) / count) * 100}%`, background: `var(${run.colour === "--warn" ? "--warn-fill" : run.colour})` }} />
                  ))}
                </span>
              </td>
              <td class="num data">{runs[runs.length - 1]?.text ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
