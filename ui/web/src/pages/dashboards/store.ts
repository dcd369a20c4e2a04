// Boards on the server: read, saved against the revision that was read, exported, imported.
import { ApiError, ask, envelope, fetched, headers, send, url, write } from "../../lib/api";
import type { Board, Found, Problem, Row } from "../../panels/model";

const AT = "/api/v1/dashboards";

export interface Listed {
  dashboards: Row[];
  problems: { file: string; problems: Problem[] }[];
}

export const listBoards = async (signal: AbortSignal) => (await ask<Listed>(AT, {}, signal)).data;
export const readBoard = async (name: string, signal: AbortSignal) => (await ask<Found>(`${AT}/${encodeURIComponent(name)}`, {}, signal)).data;
export const deleteBoard = (name: string, revision: number) => write("DELETE", `${AT}/${encodeURIComponent(name)}`, undefined, { "If-Match": `"${revision}"` });

export interface Conflict {
  dashboard?: Board;
  revision: number;
  diff?: string;
}

/** Saves in place of a revision, or as a new board; somebody else's change comes back with the difference. */
export async function saveBoard(board: Board, revision: number | null): Promise<{ revision: number } | { conflict: Conflict }> {
  const more: Record<string, string> = revision === null ? {} : { "If-Match": `"${revision}"` };
  const response = await fetched(url(`${AT}/${encodeURIComponent(board.metadata.name)}`), { method: "PUT", headers: headers({ "Content-Type": "application/json", ...more }), body: JSON.stringify(board) }).catch(() => {
    throw new ApiError(0, "network", "the server cannot be reached");
  });
  if (response.ok) return (await envelope<{ revision: number }>(response)).data;
  const body = (await response.json().catch(() => ({}))) as { error?: string; errorType?: string; data?: Conflict };
  if (response.status === 409 && body.data) return { conflict: body.data };
  throw new ApiError(response.status, body.errorType ?? "error", body.error ?? response.statusText);
}

/** The board as a file. */
export async function exportBoard(name: string, format: "yaml" | "json"): Promise<void> {
  const text = await (await send(`${AT}/${encodeURIComponent(name)}`, { format })).text();
  download(`${name}.${format}`, text);
}

export function download(name: string, text: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export interface Line {
  name: string;
  from: string;
  becomes: string;
  outcome: "exact" | "approximated" | "placeholder";
  reasons: string[];
  lost: string[];
}

export interface Report {
  title: string;
  schema_version: number;
  panels: Line[];
  variables: Line[];
  annotations: Line[];
  queries: { of: string; reference: string; language: string | null; text: string; parsed: boolean; message: string | null; span: [number, number] | null }[];
  whole: boolean;
}

export async function importBoard(text: string): Promise<{ dashboard: Board; report: Report | null }> {
  const isOurs = /"kind"\s*:\s*"Dashboard"/.test(text) && /"metadata"/.test(text) && !/"(schemaVersion|gridPos)"/.test(text);
  if (isOurs) return { dashboard: JSON.parse(text) as Board, report: null };
  return (await write<{ dashboard: Board; report: Report }>("POST", `${AT}/import`, text)).data;
}
