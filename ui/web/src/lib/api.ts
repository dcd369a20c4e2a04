// Asking the server: JSON in the envelope of `/api/v1`, errors with their place, identical requests
// that are under way shared, what nobody waits for cancelled.
import { LIMITS } from "./limits";
import { param, place } from "./router";
import { csrf, freshCsrf, toLogin } from "./session";

/** What an answer took. */
export interface Stats {
  rows?: number;
  rows_scanned?: number;
  bytes?: number;
  files?: number;
  pages?: number;
  pages_pruned?: number;
  ms?: number;
  /** SQL's words for the same. */
  seconds?: number;
  rowsScanned?: number;
  blocks?: number;
}

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
  stats?: Stats;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    /** What part of the question is meant, in bytes of its UTF-8. */
    readonly span?: { start: number; end: number },
    readonly retryAfterS?: number,
  ) {
    super(message);
  }

  /** What the reader can do about it. */
  get advice(): string {
    if (this.status === 0) return "The server did not answer. Is Tarn running, and is the network there? The page asks again when you press Retry.";
    if (this.type === "slow") return "Ask for a shorter time range or fewer series, or look at Status: the server may be busy.";
    if (this.status === 401) return "Your session has ended. Log in again; you come back to this page.";
    if (this.status === 403) return "An admin can change what you may do under Settings, Access.";
    if (this.status === 404) return "It may have been removed by retention, or the link is of another tenant.";
    if (this.status === 409) return "Somebody else changed it meanwhile. Load it again and look at the difference.";
    if (this.status === 413 || this.status === 422) return "Narrow the question: a shorter range, more matchers, or an aggregation.";
    if (this.status === 502 || this.status === 504) return "What stands in front of Tarn does not reach it. Is Tarn running?";
    if (this.status === 429 || this.status === 503) return this.retryAfterS ? `The server is busy. Try again in ${this.retryAfterS} s.` : "The server is busy or starting. Try again in a moment.";
    if (this.status === 400) return "Correct the question where it is marked.";
    return "If it stays, the server's log (Logs, service:tarn level>=warn) says more.";
  }
}

/** Params of a request; arrays repeat the name. */
export type Query = Record<string, string | number | boolean | undefined | null | readonly string[]>;

const base = new URL(document.baseURI).pathname;

/** Returns the URL of an endpoint under the path where the app is served. */
export function url(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) params.append(name, one);
    else if (value !== undefined && value !== null && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return `${base}${path.replace(/^\//, "")}${text ? `?${text}` : ""}`;
}

/** The headers of every request. The tenant is asked for only where one was chosen. */
export function headers(more: Record<string, string> = {}): Record<string, string> {
  const tenant = param("tenant");
  return tenant && tenant !== "default" ? { "X-Scope-OrgID": tenant, ...more } : more;
}

export interface Send {
  method?: string;
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** The answer has no end: only `signal` ends it. */
  endless?: boolean;
  /** A 401 is an answer like others: a password was wrong. */
  mayBeWrong?: boolean;
}

/** Sends a change with the token that the server asks of browsers; one that is over is replaced once. */
async function change(target: string, init: RequestInit): Promise<Response> {
  const token = await csrf();
  const once = (now: string | null) => fetch(target, now ? { ...init, headers: { ...init.headers, "X-Tarn-Csrf": now } } : init);
  const response = await once(token);
  if (response.status !== 403) return response;
  const fresh = await freshCsrf(token);
  return fresh === null ? response : once(fresh);
}

/** `fetch` as the app does it: changes with their token, and a 401 leads to the login. */
export async function fetched(target: string, init: RequestInit, mayBeWrong = false): Promise<Response> {
  const response = await ((init.method ?? "GET") === "GET" ? fetch(target, init) : change(target, init));
  if (response.status === 401 && !mayBeWrong) toLogin();
  return response;
}

/** Sends a request and returns the response if it is a good one. */
export async function send(path: string, query: Query = {}, options: Send = {}): Promise<Response> {
  const slow = AbortSignal.timeout(LIMITS.patienceMs);
  const signal = options.endless ? options.signal : options.signal ? AbortSignal.any([options.signal, slow]) : slow;
  let target = url(path, query);
  const init: RequestInit = { method: options.method ?? "GET", body: options.body, headers: headers(options.headers), signal };
  // A question that is too long for a URL goes as a form.
  if (init.method === "GET" && target.length > 4000) {
    const [head, tail] = target.split("?", 2);
    target = head;
    init.method = "POST";
    init.body = tail;
    init.headers = headers({ ...options.headers, "Content-Type": "application/x-www-form-urlencoded" });
  }
  let response: Response;
  try {
    response = await fetched(target, init, options.mayBeWrong);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (slow.aborted) throw new ApiError(408, "slow", `no answer within ${LIMITS.patienceMs / 1000} s`);
    throw new ApiError(0, "network", "the server cannot be reached");
  }
  if (response.ok) return response;
  throw await failure(response);
}

async function failure(response: Response): Promise<ApiError> {
  const retry = Number(response.headers.get("retry-after")) || undefined;
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as { errorType?: string; error?: string; span?: { start: number; end: number } } | string;
    if (typeof body === "string") return new ApiError(response.status, "error", body, undefined, retry);
    return new ApiError(response.status, body.errorType ?? "error", body.error ?? response.statusText, body.span, retry);
  } catch {
    return new ApiError(response.status, "error", text.slice(0, 500) || `${response.status} ${response.statusText}`, undefined, retry);
  }
}

const flying = new Map<string, { promise: Promise<unknown>; abort: AbortController; waiting: number }>();

/** Asks for JSON in the envelope. Who asks the same while it is under way gets the same answer. */
export function ask<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer<T>> {
  const key = `${param("tenant")} ${url(path, query)}`;
  let flight = flying.get(key);
  if (!flight) {
    const abort = new AbortController();
    const promise = send(path, query, { signal: abort.signal }).then((response) => envelope<T>(response));
    flight = { promise, abort, waiting: 0 };
    const gone = () => flying.get(key)?.promise === promise && flying.delete(key);
    promise.then(gone, gone);
    flying.set(key, flight);
  }
  const { promise, abort } = flight;
  const shared = flight;
  shared.waiting++;
  signal?.addEventListener("abort", () => {
    if (--shared.waiting > 0) return;
    if (flying.get(key) === shared) flying.delete(key);
    abort.abort();
  }, { once: true });
  return promise as Promise<Answer<T>>;
}

interface Envelope<T> {
  data: T;
  warnings?: string[];
  infos?: string[];
  stats?: Stats;
}

/** Reads an answer; what has no envelope (`/api/v1/usage`, `/status`, Alertmanager's) is its own data. */
export async function envelope<T>(response: Response): Promise<Answer<T>> {
  const text = await response.text();
  let body: unknown;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    throw new ApiError(response.status, "unreadable", "the answer is not JSON: is something between the browser and Tarn?");
  }
  if (body !== null && typeof body === "object" && "status" in body && (body as { status: unknown }).status === "success") {
    const { data, warnings = [], infos = [], stats } = body as unknown as Envelope<T>;
    // SQL's answers have them inside.
    return { data, warnings, infos, stats: stats ?? (data as { stats?: Stats } | null)?.stats };
  }
  return { data: body as T, warnings: [], infos: [] };
}

/** Writes: JSON in, envelope out. */
export async function write<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, more: Record<string, string> = {}): Promise<Answer<T>> {
  const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const type: Record<string, string> = text === undefined ? {} : { "Content-Type": "application/json" };
  return envelope<T>(await send(path, {}, { method, body: text, headers: { ...type, ...more } }));
}

/** The same question as a line for a terminal. */
export function curl(path: string, query: Query): string {
  const quote = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;
  const parts = [`curl -G ${quote(new URL(url(path), location.origin).href)}`];
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") parts.push(`--data-urlencode ${quote(`${name}=${one}`)}`);
    }
  }
  for (const [name, value] of Object.entries(headers())) parts.push(`-H ${quote(`${name}: ${value}`)}`);
  return parts.join(" \\\n  ");
}

/** A link to this very page that keeps showing the same rows. */
export function pinnedLink(span: { start: number; end: number }): string {
  const params = new URLSearchParams(place.value.params);
  params.set("from", new Date(span.start).toISOString());
  params.set("to", new Date(span.end).toISOString());
  return `${location.origin}${location.pathname}?${params}`;
}
