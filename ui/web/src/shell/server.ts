// What the shell knows of its server.
import { signal } from "@preact/signals";
import { send } from "../lib/api";
import { isBare, readsServer } from "../lib/session";

export interface ServerStatus {
  version: string;
  uptime_seconds: number;
  resident_bytes: number;
  memory_budget_bytes: number;
  cpu_seconds: number;
  data: string;
  ready: { ingest: boolean; query: boolean };
  reasons: { ingest: string | null; query: string | null };
  settings: Record<string, string>;
  tenants?: string[];
}

export const version = signal("");

/** Asks for `/status` as data: a browser's `Accept` would get the page. */
export async function serverStatus(signal?: AbortSignal): Promise<ServerStatus> {
  const response = await send("/status", {}, { headers: { Accept: "application/json" }, signal });
  const status = (await response.json()) as ServerStatus;
  version.value = status.version;
  return status;
}

// A page without data asks nothing.
if (!isBare()) {
  readsServer().then((may) => (may ? serverStatus() : null)).catch(() => {
    // The page that is open says so itself.
  });
}
