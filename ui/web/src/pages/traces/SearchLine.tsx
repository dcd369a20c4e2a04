// The search of the page, with proposals from its facets and from the names that the server knows.
import { ask, curl, type ApiError } from "../../lib/api";
import type { Wanted } from "../../lib/complete";
import { navigate, setParams } from "../../lib/router";
import { Copy } from "../../ui/parts";
import { SearchBar } from "../../ui/SearchBar";
import type { Facet } from "./model";

/** Keys that every span has. */
const KEYS = ["service", "name", "kind", "status", "duration", "trace", "span"];

interface Names {
  names: { name: string }[];
}

export function SearchLine({ applied, error, facets }: { applied: string; error?: ApiError; facets: readonly Facet[] }) {
  const propose = async (wanted: Wanted, signal: AbortSignal): Promise<string[]> => {
    if (wanted.kind === "value") return facets.find(({ key }) => key === wanted.key)?.values.map(({ value }) => value) ?? [];
    const of = (kind: string) => ask<Names>("/api/v1/names", { kind, signal: "traces", prefix: wanted.prefix, limit: 50 }, signal).then(({ data }) => data.names.map(({ name }) => name));
    return (await Promise.all([of("attribute"), of("resource")])).flat();
  };
  const search = (text: string) => {
    // An id alone is the trace itself.
    const id = /^(?:trace:)?([0-9a-f]{32})$/i.exec(text.trim());
    if (id) navigate(`/traces/${id[1].toLowerCase()}`, {});
    else setParams({ q: text.trim() });
  };
  return (
    <div class="tsearch">
      <SearchBar label="Search in spans" placeholder='service:checkout status:error duration>200ms   name:"GET /cart"   a trace id' keys={KEYS} applied={applied} error={error} propose={propose} onSearch={search} />
      <Copy small={false} label="curl" title="Copy as curl" text={() => curl("/api/v1/traces/search", { q: applied })} />
    </div>
  );
}
