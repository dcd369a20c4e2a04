// The frame around every page: rail, top bar, the page that the URL names, and what floats above.
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { addShortcuts } from "../lib/keys";
import { href, match, navigate, param, path } from "../lib/router";
import { me } from "../lib/session";
import { refresh, shift, zoomOut } from "../lib/time";
import { nextTheme } from "../lib/theme";
import { heading } from "../lib/title";
import { PAGES, type Page, type PageProps } from "../routes";
import { Guard } from "../ui/guard";
import { Empty, ErrorBox } from "../ui/parts";
import { KeyHelp } from "./KeyHelp";
import { Palette } from "./Palette";
import { Rail } from "./Rail";
import { TopBar } from "./TopBar";

/** Finds the page of a path, and the named parts of it. */
function find(at: string): { page: Page; parts: Record<string, string> } | null {
  for (const page of PAGES) {
    const parts = match(page.path, at);
    if (parts) return { page, parts };
  }
  return null;
}

export function App() {
  const found = find(path.value);
  const railOpen = useSignal(false);
  const palette = useSignal(false);
  const help = useSignal(false);
  const bare = found?.page.bare ?? false;
  useEffect(() => {
    if (bare) return;
    const pages = PAGES.filter((page) => page.chord).map((page) => ({ keys: page.chord!, name: page.title, run: () => navigate(page.path, {}) }));
    return addShortcuts(
      ...pages,
      { keys: "Ctrl k", name: "Search or jump", always: true, run: () => (palette.value = !palette.value) },
      { keys: "/", name: "Search or jump", run: () => focusSearch() || (palette.value = true) },
      { keys: "?", name: "Keys", run: () => (help.value = true) },
      { keys: "r", name: "Refresh", run: refresh },
      { keys: "t", name: "Theme", run: nextTheme },
      { keys: "z", name: "Zoom out in time", run: zoomOut },
      { keys: "[", name: "Earlier", run: () => shift(-1) },
      { keys: "]", name: "Later", run: () => shift(1) },
    );
  }, [bare]);
  useEffect(() => {
    railOpen.value = false;
    document.title = found ? `${found.parts.name ?? found.page.title} · Tarn` : "Tarn";
  }, [path.value]);
  // Another tenant has other data: its page begins anew.
  const content = found ? <Lazy key={`${found.page.path} ${param("tenant")}`} page={found.page} parts={found.parts} /> : <NotFound />;
  if (bare) return <main id="main" tabIndex={-1} class="bare"><Guard reset={path.value}>{content}</Guard></main>;
  const open = me.value?.insecure_bind;
  return (
    <div class={open ? "shell warned" : "shell"}>
      {open && <p class="openbanner" role="status"><span aria-hidden="true">▲</span> Anyone who reaches this address can read and change everything. <a href={href("/settings", { part: "users" })}>Ask for a login</a></p>}
      <a class="btn skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the page</a>
      <Rail current={found?.page} open={railOpen.value} />
      <TopBar title={heading.value || (found ? found.parts.name ?? found.page.title : "Not found")} timeless={found?.page.timeless} onMenu={() => (railOpen.value = !railOpen.value)} onJump={() => (palette.value = true)} />
      <main id="main" tabIndex={-1} class={found?.page.fills ? "fills" : ""} onClick={() => (railOpen.value = false)}>
        <Guard reset={path.value}>{content}</Guard>
      </main>
      {palette.value && <Palette onClose={() => (palette.value = false)} />}
      {help.value && <KeyHelp onClose={() => (help.value = false)} />}
    </div>
  );
}

/** Goes to the search of the page; says whether it has one. */
function focusSearch(): boolean {
  const input = document.querySelector<HTMLElement>("[data-search]");
  input?.focus();
  return input !== null;
}

function NotFound() {
  return (
    <Empty title="There is no such page.">
      <p>The address may be of an older version. <a href=".">Overview</a> is a good place to go on.</p>
    </Empty>
  );
}

/** Loads a page's code when it is first wanted. */
function Lazy({ page, parts }: { page: Page; parts: Record<string, string> }) {
  const [Loaded, setLoaded] = useState<ComponentType<PageProps> | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const load = () => {
    setError(null);
    page.load().then((module) => setLoaded(() => module.default), setError);
  };
  useEffect(load, [page]);
  if (error) {
    return (
      <div class="page">
        <ErrorBox error={new Error(`the code of this page could not be loaded: ${error.message}`)} retry={() => location.reload()} />
      </div>
    );
  }
  return Loaded ? <Loaded parts={parts} /> : <div class="progress" role="progressbar" aria-label="Loading the page" />;
}
