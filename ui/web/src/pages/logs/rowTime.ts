// The time of a row in the reader's zone. Formatting asks Intl for the minute only, which rows share.
import { formatTime, zone } from "../../lib/time";
import { timeMs, type LogRow } from "./model";

let known = { zone: "", minute: NaN, text: "" };

export function rowTime(row: LogRow): string {
  return clock(timeMs(row));
}

export function clock(ms: number): string {
  const minute = Math.floor(ms / 60_000);
  if (known.minute !== minute || known.zone !== zone.value) {
    // `2026-11-21 23:38:`; zones are whole minutes from UTC.
    known = { zone: zone.value, minute, text: formatTime(minute * 60_000).slice(0, 17) };
  }
  const rest = ms - minute * 60_000;
  return `${known.text}${String(Math.floor(rest / 1000)).padStart(2, "0")}.${String(Math.floor(rest % 1000)).padStart(3, "0")}`;
}
