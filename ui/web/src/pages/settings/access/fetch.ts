// Users, keys and the audit on the server.
import { ask, write } from "../../../lib/api";
import { ALL, type Grant, type Role } from "../../../lib/session";

const AT = "/api/v1/access";

export interface User {
  name: string;
  grants: Grant[];
  has_password: boolean;
  created: string | null;
  last_login: string | null;
  locked_until: string | null;
}

export interface Key {
  id: string;
  name: string;
  grants: Grant[];
  created: string | null;
  expires: string | null;
  last_used: string | null;
  origin: "stored" | "file";
  author: string | null;
}

/** A way to set a password, known only now. */
export interface Link {
  name: string;
  link: string;
  expires: string;
}

export interface Event {
  chain: string;
  number: number;
  time: string;
  action: string;
  principal?: string;
  how?: string;
  from?: string | null;
  tenant?: string | null;
  target?: string;
  outcome: string;
  detail?: string;
}

const of = (name: string) => `${AT}/users/${encodeURIComponent(name)}`;

export const listUsers = async (signal: AbortSignal) => (await ask<{ users: User[] }>(`${AT}/users`, {}, signal)).data.users;
export const addUser = async (name: string, grants: Grant[]) => (await write<Link>("POST", `${AT}/users`, { name, grants })).data;
export const setGrants = (name: string, grants: Grant[]) => write("PUT", of(name), { grants });
export const newLink = async (name: string) => (await write<Link>("POST", `${of(name)}/link`, {})).data;
export const removeUser = (name: string) => write("DELETE", of(name));

export const listKeys = async (signal: AbortSignal) => (await ask<{ keys: Key[] }>(`${AT}/keys`, {}, signal)).data.keys;
export const createKey = async (name: string, grants: Grant[], expires: string | null) => (await write<{ key: Key; token: string }>("POST", `${AT}/keys`, { name, grants, expires })).data;
export const revokeKey = (id: string) => write("DELETE", `${AT}/keys/${encodeURIComponent(id)}`);

export interface AuditPage {
  events: { event: Event; hash: string }[];
  next_cursor: string | null;
}

export const listAudit = async (limit: number, cursor: string | null, signal?: AbortSignal) => {
  const { data, warnings } = await ask<AuditPage>(`${AT}/audit`, { limit, cursor }, signal);
  return { ...data, warnings };
};

export const ROLES: { value: Role; means: string }[] = [
  { value: "ingest", means: "sends data and alerts, reads nothing" },
  { value: "viewer", means: "reads" },
  { value: "editor", means: "reads, changes boards, rules and silences" },
  { value: "admin", means: "everything, erasing and, with all tenants, access too" },
];

/** `team-a, team-b` as grants see it; nothing said means all. */
export function tenantsOf(text: string): string[] {
  const names = text.split(/[\s,]+/).filter(Boolean);
  return names.length === 0 || names.includes(ALL) ? [ALL] : [...new Set(names)];
}

export const grantText = ({ role, tenants }: Grant) => `${role} of ${tenants.includes(ALL) ? "all tenants" : tenants.join(", ")}`;

const DAY_MS = 86_400_000;

/** What is worth knowing of a key's end. */
export function ending(expires: string | null, now = Date.now()): "never" | "later" | "soon" | "over" {
  if (!expires) return "never";
  const left = Date.parse(expires) - now;
  return left <= 0 ? "over" : left < 14 * DAY_MS ? "soon" : "later";
}
