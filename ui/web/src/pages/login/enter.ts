// The way in and the way back.
import { loadMe, safeBack, type Me } from "../../lib/session";

const KEY = "tarn.returned";
/** Whoever is sent back here so soon was not kept away by the login. */
const SOON_MS = 10_000;

/** Loads the app anew where the reader was going: nothing of who was there before stays. */
export function enter(back: string) {
  location.replace(safeBack(back));
}

/** Asks whether there is a session already, made in another tab perhaps; says what the server said. */
export async function alreadyIn(back: string): Promise<{ now: Me | null; looped: boolean }> {
  const now = await loadMe();
  if (!now?.login || !now.principal) return { now, looped: false };
  const last = Number(sessionStorage.getItem(KEY) ?? 0);
  if (Date.now() - last < SOON_MS) return { now, looped: true };
  sessionStorage.setItem(KEY, String(Date.now()));
  enter(back);
  return { now, looped: false };
}

/** `4 min 10 s` until an instant. */
export function waitText(ms: number): string {
  const s = Math.max(1, Math.ceil(ms / 1000));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ""}`;
}
