// Small parts of pages: states, notices, numbers, things to copy.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, type Stats } from "../lib/api";
import { formatBytes, formatCount, formatNs } from "../lib/units";
import { Icon, type IconName } from "./icons";

export type State = "ok" | "warn" | "err" | "info" | "none";
const SHAPE: Record<State, string> = { ok: "✓", warn: "●", err: "▲", info: "◆", none: "" };

/** A state: shape, word and colour. */
export function Badge({ state, children }: { state: State; children: ComponentChildren }) {
  return (
    <span class={`badge ${state}`}>
      {SHAPE[state] && <span aria-hidden="true">{SHAPE[state]}</span>}
      {children}
    </span>
  );
}

/** What went wrong and what to do next. */
export function ErrorBox({ error, retry, children }: { error: ApiError | Error; retry?: () => void; children?: ComponentChildren }) {
  const advice = error instanceof ApiError ? error.advice : "Load the page again; if it stays, the browser's console says more.";
  return (
    <div class="error" role="alert">
      <span>
        <strong>{title(error)}</strong> <span class="data">{error.message}</span>
      </span>
      <span class="muted">{advice}</span>
      {(retry || children) && (
        <span class="row">
          {retry && <button class="btn small" onClick={retry}>Retry</button>}
          {children}
        </span>
      )}
    </div>
  );
}

function title(error: Error): string {
  if (!(error instanceof ApiError)) return "This part of the page failed.";
  if (error.status === 0 || error.status === 502 || error.status === 504) return "No connection.";
  if (error.type === "slow") return "Too slow.";
  if (error.status === 400) return "The question is not right.";
  if (error.status === 401) return "Not logged in.";
  if (error.status === 403) return "Not allowed.";
  if (error.status === 404) return "Not found.";
  if (error.status === 422 || error.status === 413) return "Over a limit.";
  if (error.status === 429 || error.status === 503) return "Busy.";
  return `Error${error.status > 0 ? ` ${error.status}` : ""}.`;
}

/** Nothing there: says why, and what would fill it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Warnings of an answer: what is missing in it, which limit cut it. */
export function Notices({ list, children }: { list?: readonly string[]; children?: ComponentChildren }) {
  if (!list?.length && !children) return null;
  return (
    <>
      {list?.slice(0, 5).map((text) => (
        <div class="notice" key={text}>
          <span aria-hidden="true">●</span>
          <span class="data">{text}</span>
        </div>
      ))}
      {children && <div class="notice"><span aria-hidden="true">●</span><span>{children}</span></div>}
    </>
  );
}

/** `read 3.1 MiB in 14 files · 41 ms`: what an answer took. */
export function statsText(stats: Stats | undefined): string {
  if (!stats) return "";
  const parts: string[] = [];
  const files = stats.files ?? stats.blocks ?? 0;
  const scanned = stats.rows_scanned ?? stats.rowsScanned;
  if (stats.bytes) parts.push(`read ${formatBytes(stats.bytes)}${files ? ` in ${files} file${files === 1 ? "" : "s"}` : ""}`);
  else if (scanned !== undefined) parts.push(`looked at ${formatCount(scanned)} rows`);
  const ms = stats.ms ?? (stats.seconds === undefined ? undefined : stats.seconds * 1000);
  if (ms !== undefined) parts.push(formatNs(ms * 1e6));
  return parts.join(" · ");
}

export function StatsLine({ stats, children }: { stats?: Stats; children?: ComponentChildren }) {
  const text = statsText(stats);
  return (
    <span class="statsline" role="status">
      {children}
      {children && text ? " · " : ""}
      {text}
    </span>
  );
}

/** Copies a text, and says that it did. */
export function Copy({ text, label = "Copy", small = true, title }: { text: string | (() => string); label?: string; small?: boolean; title?: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : text());
      setSaid("Copied");
    } catch {
      setSaid("Not allowed by the browser");
    }
  };
  return (
    <button class={`btn ${small ? "small" : ""}`} title={title} aria-label={label ? undefined : title} onClick={copy}>
      <Icon name="copy" /> <span aria-live="polite">{said || label}</span>
    </button>
  );
}

export interface Choice<T extends string> {
  value: T;
  label: string;
  title?: string;
}

/** One of a few, as a row of buttons. */
export function Segmented<T extends string>({ value, choices, onChange, label }: { value: T; choices: readonly Choice<T>[]; onChange: (value: T) => void; label: string }) {
  return (
    <div class="segmented" role="group" aria-label={label}>
      {choices.map((one) => (
        <button key={one.value} type="button" title={one.title} aria-pressed={one.value === value} onClick={() => onChange(one.value)}>
          {one.label}
        </button>
      ))}
    </div>
  );
}

/** A button with a panel below it, which the browser closes by itself. */
export function Popover({ label, icon, title, class: cls = "btn", children, onOpen, align = "end", text }: {
  label: string;
  text?: ComponentChildren;
  icon?: IconName;
  title?: string;
  class?: string;
  align?: "start" | "end";
  onOpen?: () => void;
  children: (close: () => void) => ComponentChildren;
}) {
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const close = () => panel.current?.hidePopover();
  // Placed when what it holds is there: it has no width before.
  useLayoutEffect(() => {
    if (!open || !button.current || !panel.current) return;
    const at = button.current.getBoundingClientRect();
    const width = panel.current.offsetWidth;
    const left = align === "end" ? at.right - width : at.left;
    panel.current.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
    panel.current.style.top = `${at.bottom + 4}px`;
    onOpen?.();
    panel.current.querySelector<HTMLElement>("[autofocus], input, button, a, select")?.focus();
  }, [open]);
  return (
    <>
      <button ref={button} type="button" class={cls} title={title} aria-label={label} aria-haspopup="dialog" aria-expanded={open} onClick={() => panel.current?.togglePopover()}>
        {icon && <Icon name={icon} />}
        {text}
      </button>
      <div ref={panel} popover="auto" role="dialog" aria-label={label} onToggle={(event: { newState: string }) => setOpen(event.newState === "open")}>
        {open && children(close)}
      </div>
    </>
  );
}

/** A native dialog that is open while it is shown; Escape and the backdrop close it. */
export function Dialog({ title, onClose, children, class: cls = "" }: { title: string; onClose: () => void; children: ComponentChildren; class?: string }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    ref.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={ref} class={cls} aria-label={title} onClose={onClose} onClick={(event) => event.target === ref.current && onClose()}>
      {children}
    </dialog>
  );
}
