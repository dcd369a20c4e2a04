// Who is asking: what `/api/v1/access/me` says, the token that changes need, the way to the login and
// back to the exact address. Where nobody has to log in all of it is silent, and everything is allowed.
import { signal } from "@preact/signals";
import { go, param, place } from "./router";

export type Role = "ingest" | "viewer" | "editor" | "admin";

export interface Grant {
  role: Role;
  /** `["*"]`: all. */
  tenants: string[];
}

export interface Me {
  /** Whether anybody has to log in. */
  login: boolean;
  /** Open to whoever reaches the address, because somebody said so. */
  insecure_bind: boolean;
  secure: boolean;
  /** Whether names and passwords are known here. */
  password: boolean;
  /** Why no password is taken over this connection. */
  password_refused: string | null;
  oidc: { name: string } | null;
  principal: { name: string; how: string; grants: Grant[] } | null;
  csrf: string | null;
  /** Nobody has set the first password yet. */
  setup: boolean;
}

export const ALL = "*";
const ME = "api/v1/access/me";
const BARE = ["/login", "/welcome"];

/** Null until the server has said it, and for a server that does not. */
export const me = signal<Me | null>(null);

let asked: Promise<Me | null> | null = null;

/** Asks who is asking; whoever asks meanwhile gets the same answer. */
export function loadMe(): Promise<Me | null> {
  asked ??= fetchMe().finally(() => (asked = null));
  return asked;
}

async function fetchMe(): Promise<Me | null> {
  try {
    const response = await fetch(new URL(ME, document.baseURI), { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!response.ok) return me.peek();
    const { data } = (await response.json()) as { data: Me };
    me.value = data;
  } catch {
    // The page that is open says itself that the server does not answer.
  }
  return me.peek();
}

/** The token that a browser's changes carry; asked for where it is not known yet. */
export async function csrf(): Promise<string | null> {
  return (me.peek() ?? (await loadMe()))?.csrf ?? null;
}

/** Another token than the one that was refused, if there is one now. */
export async function freshCsrf(refused: string | null): Promise<string | null> {
  const now = (await loadMe())?.csrf ?? null;
  return now === refused ? null : now;
}

/** Whether what belongs to the whole server may be read: a question that would be refused is not asked. */
export async function readsServer(): Promise<boolean> {
  if (!me.peek()) await loadMe();
  return !whyNot("viewer", "server");
}

/** Whether the page is one for those who are not logged in. */
export function isBare(path = place.peek().path): boolean {
  return BARE.includes(path);
}

/** Goes to the login, which comes back to this very address. Whoever asks again is there already. */
export function toLogin() {
  if (isBare()) return;
  const here = `${location.pathname}${location.search}${location.hash}`;
  go(`${basePath()}login${here === basePath() ? "" : `?back=${encodeURIComponent(here)}`}`);
}

const basePath = () => new URL(document.baseURI).pathname;

/** Where to go after the login: an address of this app and nothing else, its first page in doubt. */
export function safeBack(back: string, base = basePath(), origin = location.origin): string {
  // A backslash is a slash to browsers; what cannot be seen is dropped by them.
  if (!back.startsWith("/") || /[\\\u0000-\u0020\u007f]/.test(back)) return base;
  let url: URL;
  try {
    url = new URL(back, origin);
  } catch {
    return base;
  }
  const inside = url.origin === origin && url.pathname.startsWith(base) && !url.pathname.startsWith("//");
  if (!inside || isBare(`/${url.pathname.slice(base.length)}`)) return base;
  return `${url.pathname}${url.search}${url.hash}`;
}

const RANK: Record<Role, readonly Role[]> = {
  ingest: ["ingest", "admin"],
  viewer: ["viewer", "editor", "admin"],
  editor: ["editor", "admin"],
  admin: ["admin"],
};

/** Whether the grants hold a role for a tenant; `*`: for all of them. */
export function granted(grants: readonly Grant[], role: Role, tenant: string): boolean {
  return grants.some((grant) => RANK[role].includes(grant.role) && (grant.tenants.includes(ALL) || grant.tenants.includes(tenant)));
}

/** The tenants that somebody may read; `*` among them: all. */
export function readable(grants: readonly Grant[]): string[] {
  const all = new Set(grants.filter((grant) => RANK.viewer.includes(grant.role)).flatMap((grant) => grant.tenants));
  return [...all].sort();
}

/** The tenant that is asked: the URL's, else the one that the server would take. */
export function tenantNow(): string {
  const named = param("tenant");
  if (named) return named;
  const own = readable(me.value?.principal?.grants ?? []);
  return own.length === 1 && own[0] !== ALL ? own[0] : "default";
}

/** The tenant that a URL must name, because the server would not know which. */
export function tenantToName(now: Me | null): string | null {
  const own = readable(now?.principal?.grants ?? []);
  return now?.login && own.length > 1 && !own.includes(ALL) && !own.includes("default") ? own[0] : null;
}

/** Why somebody may not do what takes a role, in a sentence; empty where they may. */
export function whyNot(role: Role, where: "tenant" | "server" = "tenant"): string {
  const now = me.value;
  if (!now?.login || !now.principal) return "";
  const { grants } = now.principal;
  const tenant = where === "server" ? ALL : tenantNow();
  if (granted(grants, role, tenant)) return "";
  const has = (["admin", "editor", "viewer", "ingest"] as const).find((one) => granted(grants, one, tenant));
  const place = where === "server" ? " for all tenants" : tenant === "default" ? "" : ` for tenant ${tenant}`;
  return `This takes the role ${role}${place}; you have ${has ? `the role ${has}` : "none there"}.`;
}
