// Where the reader is: one signal, written through `navigate`. All state that a colleague must see
// stands in the URL; time range and tenant travel with every link inside the app.
import { computed, signal } from "@preact/signals";

export interface Place {
  /** Path below the base, with a leading slash. */
  path: string;
  params: URLSearchParams;
}

/** What every link inside the app keeps. */
const KEPT = ["from", "to", "tenant"];

const base = new URL(document.baseURI).pathname.replace(/\/$/, "");

function read(): Place {
  const path = location.pathname.startsWith(base) ? location.pathname.slice(base.length) : location.pathname;
  return { path: path === "" ? "/" : path, params: new URLSearchParams(location.search) };
}

export const place = signal<Place>(read());
export const path = computed(() => place.value.path);

/** Returns one parameter of the URL, empty when absent. */
export function param(name: string): string {
  return place.value.params.get(name) ?? "";
}

export type Params = Record<string, string | number | boolean | null | undefined>;

function query(params: URLSearchParams): string {
  // Colons, commas, slashes and braces are legible in a URL and allowed in its query.
  const text = params.toString().replace(/%3A/gi, ":").replace(/%2C/gi, ",").replace(/%2F/gi, "/").replace(/%40/gi, "@");
  return text === "" ? "" : `?${text}`;
}

/** Builds a link inside the app: `params` over what every link keeps. */
export function href(to: string, params: Params = {}): string {
  const [toPath, toQuery] = to.split("?", 2);
  const all = new URLSearchParams();
  for (const name of KEPT) {
    const value = place.value.params.get(name);
    if (value !== null) all.set(name, value);
  }
  for (const [name, value] of new URLSearchParams(toQuery ?? "")) all.set(name, value);
  assign(all, params);
  return `${base}${toPath}${query(all)}`;
}

function assign(into: URLSearchParams, params: Params) {
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "" || value === false) into.delete(name);
    else into.set(name, value === true ? "1" : String(value));
  }
}

/** Goes to a page. `to` is what `href` returned, or a path. */
export function navigate(to: string, params?: Params, how: { replace?: boolean } = {}) {
  const url = params !== undefined || !to.startsWith(base) || base === "" ? toUrl(to, params) : to;
  if (how.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  place.value = read();
  if (!how.replace) toTop();
}

function toUrl(to: string, params?: Params): string {
  if (params === undefined && (to.includes("?") || base !== "")) return to.startsWith(base) ? to : `${base}${to}`;
  return href(to, params);
}

/** Stands at an exact address of the app, in place of the one that is open. */
export function go(url: string) {
  history.replaceState(null, "", url);
  place.value = read();
  toTop();
}

/** Changes parameters of the page that is open; absent values are taken out. */
export function setParams(params: Params, how: { replace?: boolean } = {}) {
  const all = new URLSearchParams(place.value.params);
  assign(all, params);
  const url = `${base}${place.value.path}${query(all)}`;
  if (url === `${location.pathname}${location.search}`) return;
  if (how.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  place.value = read();
}

/** Matches `/services/:name` against a path; returns the named parts, or null. */
export function match(pattern: string, actual: string): Record<string, string> | null {
  const want = pattern.split("/");
  const have = actual.replace(/\/+$/, "").split("/");
  if (actual === "/") return pattern === "/" ? {} : null;
  if (want.length !== have.length) return null;
  const found: Record<string, string> = {};
  for (let i = 0; i < want.length; i++) {
    if (want[i].startsWith(":")) {
      try {
        found[want[i].slice(1)] = decodeURIComponent(have[i]);
      } catch {
        return null;
      }
    } else if (want[i] !== have[i]) return null;
  }
  return found;
}

/** Messages link to where Alertmanager has its pages: `/#/alerts?…`, `/#/silences/…`. */
function fromAlertmanager() {
  const found = /^#\/(alerts|silences)/.exec(location.hash);
  if (!found || place.value.path !== "/") return;
  const receiver = new URLSearchParams(location.hash.split("?", 2)[1]).get("filter") ?? "";
  navigate("/alerts", { view: found[1] === "silences" ? "silences" : null, q: receiver.replace(/[{}"]/g, "") }, { replace: true });
}

function toTop() {
  document.getElementById("main")?.scrollTo(0, 0);
}

/** Follows clicks on links and the browser's buttons without loading the app again. */
export function startRouter() {
  fromAlertmanager();
  window.addEventListener("popstate", () => (place.value = read()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (!link.pathname.startsWith(base) || link.dataset.reload !== undefined) return;
    event.preventDefault();
    if (link.href !== location.href) history.pushState(null, "", link.href);
    place.value = read();
    toTop();
  });
}
