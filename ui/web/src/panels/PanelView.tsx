// A panel with its frame: title, what it says of itself, its picture, its failure. It asks when it comes
// near the window, and whatever happens inside stays inside.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Guard } from "../ui/guard";
import { statsText, ErrorBox, Popover } from "../ui/parts";
import { href } from "../lib/router";
import { curl } from "../lib/api";
import { Copy } from "../ui/parts";
import { usePanelData, wantOf, type PanelData } from "./data";
import { textOf, type Panel } from "./model";
import { Placeholder } from "./Placeholder";
import { KINDS } from "./registry";
import { safeUrl } from "./markdown";
import { expand, expandText, type Around, type Env } from "./variables";
import "./panels.css";

const NOTHING: PanelData = { times: [], series: [], tables: [], logs: [], warnings: [], stats: {}, unanswered: [] };

interface Size {
  width: number;
  height: number;
}

/** The place for a picture, and whether it is near the window. */
function usePlace() {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  const [near, setNear] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const sizes = new ResizeObserver(() => setSize((old) => (old.width === element.clientWidth && old.height === element.clientHeight ? old : { width: element.clientWidth, height: element.clientHeight })));
    const sight = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setNear(true), { rootMargin: "400px" });
    sizes.observe(element);
    sight.observe(element);
    return () => {
      sizes.disconnect();
      sight.disconnect();
    };
  }, []);
  return { ref, size, near: near && size.width > 0 };
}

/** `ready`: the variables are known, so that there is something to ask. */
export function PanelView({ panel, env, tools, name, ready = true }: { panel: Panel; env: Env; tools?: ComponentChildren; name: string; ready?: boolean }) {
  const { ref, size, near: inSight } = usePlace();
  const near = inSight && ready;
  const { data, error, loading, reload, around } = usePanelData(panel, env, Math.max(size.width, 200), near);
  const title = expandText(panel.spec.display?.name ?? "", around);
  const about = panel.spec.display?.description;
  return (
    <section class="panel board-panel" aria-label={title || name}>
      <header>
        <h2 class="clip data" title={title}>{title || <span class="muted">{KINDS[panel.spec.plugin.kind]?.name ?? panel.spec.plugin.kind}</span>}</h2>
        {about && <Popover label={`About ${title}`} class="btn plain small" text="?">{() => <p class="about data">{about}</p>}</Popover>}
        <span class="grow" />
        {loading && data && <span class="muted" aria-hidden="true">…</span>}
        {data && data.warnings.length > 0 && <Popover label={`Notes on ${title || name}`} class="btn plain small warned" text="●">{() => <ul class="about">{data.warnings.slice(0, 10).map((text) => <li class="data" key={text}>{text}</li>)}</ul>}</Popover>}
        <Menu panel={panel} around={around} data={data} title={title || name} />
        {tools}
      </header>
      <div class="body" ref={ref}>
        <Guard reset={panel}>
          <Inside panel={panel} data={data} around={around} size={size} near={near} error={error ? <ErrorBox error={error} retry={reload} /> : null} />
        </Guard>
      </div>
    </section>
  );
}

interface InsideProps {
  panel: Panel;
  data?: PanelData;
  around: Around;
  size: Size;
  near: boolean;
  error: ComponentChildren;
}

function Inside({ panel, data, around, size, near, error }: InsideProps) {
  const { kind, spec = {} } = panel.spec.plugin;
  const known = KINDS[kind];
  if (!known) return <Placeholder kind={kind} spec={spec} />;
  if (!near) return size.width > 0 ? <div class="waiting" /> : null;
  const Draw = known.draw;
  if (known.plain) return <Draw spec={spec} panel={panel} data={NOTHING} around={around} {...size} />;
  if (error) return <div class="panelscroll">{error}</div>;
  if ((panel.spec.queries ?? []).length === 0) return <p class="nodata muted">This panel asks nothing yet.</p>;
  if (!data) return <div class="waiting" role="progressbar" aria-label="Loading" />;
  if (data.unanswered.length > 0 && data.series.length + data.tables.length + data.logs.length === 0) return <p class="nodata muted">{data.unanswered[0]}</p>;
  const nothing = data.series.length === 0 && data.logs.length === 0 && data.tables.every((table) => table.rows.length === 0);
  if (nothing && spec.noValue === undefined) return <NoData panel={panel} />;
  return <Draw spec={spec} panel={panel} data={data} around={around} {...size} />;
}

/** An empty panel says what would fill it. */
function NoData({ panel }: { panel: Panel }) {
  const texts = (panel.spec.queries ?? []).map((query) => textOf(query.spec.plugin.spec, "query") ?? "");
  const metrics = [...new Set(texts.flatMap((text) => [...text.matchAll(/([a-zA-Z_:][\w:]*)\s*[{[]/g)].map((found) => found[1])))];
  return (
    <p class="nodata muted">
      No data in this range.
      {metrics.length > 0 && <> It would show {metrics.slice(0, 3).map((metric, i) => <span key={metric}>{i > 0 && ", "}<code class="data">{metric}</code></span>)}{metrics.length > 3 && " and others"}.</>}
    </p>
  );
}

/** Doors: the same question on its own page, as curl, and links of the board. */
function Menu({ panel, around, data, title }: { panel: Panel; around: Around; data?: PanelData; title: string }) {
  const first = panel.spec.queries?.[0]?.spec.plugin;
  const text = expand(textOf(first?.spec, "query") ?? "", around);
  const links = (panel.spec.links ?? []).flatMap((link) => {
    const url = safeUrl(expand(link.url, around));
    return url ? [{ url, name: link.name || url }] : [];
  });
  const [page, path, name] = first?.kind === "TarnSqlQuery" ? ["/sql", "/api/v1/sql", "q"] : first?.kind === "TarnLogQuery" ? ["/logs", "/api/v1/logs/search", "q"] : ["/metrics", "/api/v1/query_range", "query"];
  const { span, stepS } = around;
  const params = path.endsWith("query_range") ? { [name]: text, start: span.start / 1000, end: span.end / 1000, step: stepS } : { [name]: text };
  if (!text && links.length === 0) return null;
  return (
    <Popover label={`More of ${title}`} class="btn plain small" text="⋯">
      {() => (
        <div class="menu">
          {text && <a href={href(page, { q: text })}>Open as a question</a>}
          {text && <Copy text={() => curl(path, params)} label="Copy as curl" />}
          {text && <Copy text={text} label="Copy the query" />}
          {links.map(({ url, name }) => <a key={url} href={url} target="_blank" rel="noopener noreferrer">{name}</a>)}
          {data && <span class="muted">{wantOf(panel) === "range" ? `every ${stepS} s` : "now"}{statsText(data.stats) && ` · ${statsText(data.stats)}`}</span>}
        </div>
      )}
    </Popover>
  );
}
