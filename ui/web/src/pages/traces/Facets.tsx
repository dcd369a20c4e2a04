// Services, operations, states and kinds with the number of their spans; a click narrows the search.
import { useState } from "preact/hooks";
import type { Hues } from "../../lib/services";
import { chosen } from "../../lib/terms";
import { format } from "../../lib/units";
import type { Facet } from "./model";

const TITLES: Record<string, string> = { service: "Service", name: "Operation", status: "Status", kind: "Kind" };
/** Values of a facet before "show all". */
const SHOWN = 12;

export function Facets({ facets, q, hues, onToggle }: { facets: readonly Facet[]; q: string; hues: Hues; onToggle: (key: string, value: string) => void }) {
  return (
    <nav class="tfacets" aria-label="Narrow by">
      {facets.filter(({ values }) => values.length > 0).map((facet) => <One key={facet.key} facet={facet} q={q} hues={hues} onToggle={onToggle} />)}
    </nav>
  );
}

function One({ facet, q, hues, onToggle }: { facet: Facet; q: string; hues: Hues; onToggle: (key: string, value: string) => void }) {
  const [isOpen, setOpen] = useState(false);
  const { included } = chosen(q, facet.key);
  const most = Math.max(1, ...facet.values.map(({ count }) => count));
  const shown = isOpen ? facet.values : facet.values.slice(0, SHOWN);
  return (
    <section class="tfacet">
      <h2>{TITLES[facet.key]}</h2>
      {shown.map(({ value, count }) => (
        <button key={value} aria-pressed={included.has(value)} title={`${value}: about ${Math.round(count)} spans`} onClick={() => onToggle(facet.key, value)}>
          <i class="part" style={{ width: `${(100 * count) / most}%` }} />
          {facet.key === "service" && <i class="swatch" style={{ background: hues(value).css }} />}
          <span class="clip data">{value}</span>
          <span class="num">{format(count)}</span>
        </button>
      ))}
      {facet.values.length > SHOWN && <button class="all" onClick={() => setOpen(!isOpen)}>{isOpen ? "Fewer" : `All ${facet.values.length}`}</button>}
    </section>
  );
}
