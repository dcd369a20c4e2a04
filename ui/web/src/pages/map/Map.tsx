// The map of services: who calls whom, how often, and where it fails. A service that is chosen shows its
// neighbourhood; the table says the same in words.
import { useMemo } from "preact/hooks";
import { Graph } from "../../chart/Graph";
import { useLoad } from "../../lib/load";
import { href, param, setParams } from "../../lib/router";
import { serviceHues, serviceNames } from "../../lib/services";
import { termText } from "../../lib/terms";
import { range } from "../../lib/time";
import { format, formatNs, formatRatio } from "../../lib/units";
import { Badge, Empty, ErrorBox, Notices, Segmented, StatsLine } from "../../ui/parts";
import { askMap, healthOf, near, pairs, type MapEdge, type MapNode, type ServiceMap } from "./model";
import "./map.css";

/** Larger maps begin at the neighbourhood of the worst service. */
const WHOLE_MAX = 60;

type Show = "near" | "all";

export default function MapPage() {
  const span = range.value;
  const { data, error, loading, reload } = useLoad(`${param("tenant")} ${span.start} ${span.end}`, (signal) => askMap(span, signal));
  const names = useLoad(param("tenant"), () => serviceNames()).data;
  const map = useMemo(() => data && { nodes: data.data.nodes, edges: pairs(data.data.edges) }, [data]);
  const isLarge = (map?.nodes.length ?? 0) > WHOLE_MAX;
  const focus = param("focus") || (isLarge && map ? worst(map) : "");
  const show: Show = param("show") === "near" || (isLarge && param("show") !== "all") ? "near" : "all";
  const shown = useMemo(() => map && (show === "near" && focus ? near(map, focus, 2) : map), [map, show, focus]);
  const hues = useMemo(() => serviceHues(names ?? [], map?.nodes.map((node) => node.name) ?? []), [names, map]);
  const graph = useMemo(() => shown && drawn(shown, hues), [shown, hues]);
  const chosen = map?.nodes.find((node) => node.name === focus);
  return (
    <div class={`page map${loading && data ? " busy" : ""}`}>
      {error && <ErrorBox error={error} retry={reload} />}
      <Notices list={data?.warnings} />
      {map && map.nodes.length === 0 && (
        <Empty title="No calls between services yet">
          <p>The map is drawn from spans: a client span and the server span below it are one call. It appears when traces with both arrive.</p>
          <div class="row"><a class="btn primary" href={href("/send")}>Send your data</a><a class="btn" href={href("/traces")}>Traces</a></div>
        </Empty>
      )}
      {shown && map && map.nodes.length > 0 && graph && (
        <>
          <div class="row">
            <Segmented<Show> label="Show" value={show} choices={[{ value: "all", label: `All ${map.nodes.length}` }, { value: "near", label: focus ? `Near ${focus}` : "Near the chosen one" }]} onChange={(value) => setParams({ show: value, focus: focus || null })} />
            <span class="legend muted"><span><i class="swatch" style={{ background: "var(--ok)" }} /> under 1 % errors</span> <span><i class="swatch" style={{ background: "var(--warn-fill)" }} /> ● from 1 %</span> <span><i class="swatch" style={{ background: "var(--err)" }} /> ▲ from 5 %</span> <span>wider lines carry more calls</span></span>
            <span class="grow" />
            {chosen && <Chosen node={chosen} />}
          </div>
          <section class="panel mapbox"><Graph nodes={graph.nodes} edges={graph.edges} focus={focus || null} onFocus={(id) => setParams({ focus: id }, { replace: true })} label={`Map of ${shown.nodes.length} services and ${shown.edges.length} connections; the tables below say the same`} /></section>
          <Calls map={shown} focus={focus} />
        </>
      )}
      {!data && loading && <div class="progress" role="progressbar" aria-label="Loading the map" />}
      <StatsLine stats={data?.stats} />
    </div>
  );
}

/** The service with the most errors per second; else the busiest. */
function worst({ nodes }: ServiceMap): string {
  const errors = (node: MapNode) => (node.spans_per_second ?? 0) * (node.errors_ratio ?? 0);
  return [...nodes].sort((a, b) => errors(b) - errors(a) || (b.spans_per_second ?? 0) - (a.spans_per_second ?? 0))[0]?.name ?? "";
}

const KINDS: Record<string, string> = { database: "database", messaging_system: "queue", external: "outside", user: "who asks from outside", virtual_node: "outside" };

function drawn({ nodes, edges }: ServiceMap, hues: ReturnType<typeof serviceHues>) {
  const most = Math.max(...edges.map((edge) => edge.per_second ?? 0), 1e-9);
  return {
    nodes: nodes.map((node) => ({
      id: node.name, title: node.name, isDashed: node.kind !== "service", mark: node.kind === "service" ? hues(node.name).css.startsWith("var") ? hues(node.name).css : `var(${hues(node.name).token})` : undefined,
      state: node.kind === "service" ? healthOf(node.errors_ratio) : ("none" as const),
      sub: node.spans_per_second === null ? (KINDS[node.kind] ?? node.kind) : `${format(node.spans_per_second, "/s")} · ${formatRatio(node.errors_ratio ?? 0)} err · ${formatNs(node.p99_ns ?? NaN)}`,
    })),
    edges: edges.map((edge) => ({
      from: edge.client, to: edge.server, weight: Math.sqrt((edge.per_second ?? 0) / most), state: healthOf(edge.errors_ratio) === "ok" ? ("none" as const) : healthOf(edge.errors_ratio),
      label: `${format(edge.per_second, "/s")}${(edge.errors_ratio ?? 0) >= 0.01 ? ` ▲${formatRatio(edge.errors_ratio!)}` : ""}`,
      title: `${edge.client} → ${edge.server}: ${format(edge.per_second, "/s")}, ${formatRatio(edge.errors_ratio ?? 0)} errors, p99 ${formatNs(edge.p99_ns ?? NaN)}`,
    })),
  };
}

function Chosen({ node }: { node: MapNode }) {
  return (
    <span class="row">
      <b class="data">{node.name}</b>
      {node.kind === "service" && <a class="btn small primary" href={href(`/service/${encodeURIComponent(node.name)}`)}>Open the service</a>}
      {node.kind === "service" && <a class="btn small" href={href("/traces", { q: `${termText("service", node.name)} status:error` })}>Failed traces</a>}
      <button class="btn small" onClick={() => setParams({ focus: null, show: null })}>Let go</button>
    </span>
  );
}

function Calls({ map, focus }: { map: ServiceMap; focus: string }) {
  const all = focus ? map.edges.filter((edge) => edge.client === focus || edge.server === focus) : map.edges;
  const failed = (edge: MapEdge) => (edge.per_second ?? 0) * (edge.errors_ratio ?? 0);
  const list = [...all].sort((a, b) => failed(b) - failed(a) || (b.per_second ?? 0) - (a.per_second ?? 0)).slice(0, 200);
  const name = (text: string) => (map.nodes.find((node) => node.name === text)?.kind === "service" ? <a class="data" href={href(`/service/${encodeURIComponent(text)}`)}>{text}</a> : <span class="data">{text}</span>);
  return (
    <section class="panel">
      <header><h2>Calls{focus ? ` of ${focus}` : ""}</h2><span class="muted">{all.length}{all.length > list.length ? `, the ${list.length} with most failures shown` : ", most failures first"}</span></header>
      <div class="scroll-x" tabIndex={0}>
        <table class="table">
          <thead><tr><th>From</th><th>To</th><th>Kind</th><th>State</th><th class="num">Calls</th><th class="num">Errors</th><th class="num">p50</th><th class="num">p99</th></tr></thead>
          <tbody>
            {list.map((edge) => (
              <tr key={`${edge.client} ${edge.server}`}>
                <td>{name(edge.client)}</td>
                <td>{name(edge.server)}</td>
                <td class="muted">{KINDS[edge.connection_type] ?? (edge.connection_type.replace(/_/g, " ") || "service")}</td>
                <td>{healthOf(edge.errors_ratio) === "none" ? "–" : <Badge state={healthOf(edge.errors_ratio)}>{{ ok: "fine", warn: "some errors", err: "failing", none: "" }[healthOf(edge.errors_ratio)]}</Badge>}</td>
                <td class="num">{format(edge.per_second, "/s")}</td>
                <td class="num">{edge.errors_ratio === null ? "–" : formatRatio(edge.errors_ratio)}</td>
                <td class="num">{edge.p50_ns === null ? "–" : formatNs(edge.p50_ns)}</td>
                <td class="num">{edge.p99_ns === null ? "–" : formatNs(edge.p99_ns)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
