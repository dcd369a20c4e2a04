// What the pages of the login share: their frame, a field for a password, how strong one is.
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { Icon } from "../../ui/icons";
import { strength } from "./strength";
import "./login.css";

export function Door({ title, children, under }: { title: string; children: ComponentChildren; under?: ComponentChildren }) {
  return (
    <div class="door">
      <div class="mark">
        <img src="./favicon.svg" alt="" width="44" height="44" />
        <h1>{title}</h1>
        <span class="muted data">{location.host}</span>
      </div>
      <div class="card">{children}</div>
      {under && <div class="under">{under}</div>}
    </div>
  );
}

interface SecretProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  autocomplete: "current-password" | "new-password";
  autofocus?: boolean;
  describedBy?: string;
}

/** A password: hidden until it is to be seen, with a word about Caps Lock. */
export function Secret({ label, value, onInput, autocomplete, autofocus, describedBy }: SecretProps) {
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const look = (event: KeyboardEvent) => setCaps(event.getModifierState?.("CapsLock") ?? false);
  const id = useId();
  const common = {
    id, ref: input, class: "input", name: autocomplete, autocomplete, autocapitalize: "none", spellcheck: false, required: true, maxLength: 1024, autofocus, value,
    "aria-describedby": describedBy,
    onInput: (event: { currentTarget: HTMLInputElement }) => onInput(event.currentTarget.value),
    onKeyDown: look, onKeyUp: look, onBlur: () => setCaps(false),
  } as const;
  return (
    <div class="secretfield">
      <label for={id}>{label}</label>
      <span class="secret">
        {shown ? <input type="text" {...common} /> : <input type="password" {...common} />}
        <button type="button" class="btn plain icon" aria-label={shown ? "Hide what you type" : "Show what you type"} aria-pressed={shown} title={shown ? "Hide" : "Show"} onClick={() => { setShown(!shown); input.current?.focus(); }}><Icon name="eye" /></button>
      </span>
      <span role="status">{caps && <span class="caps">● Caps Lock is on.</span>}</span>
    </div>
  );
}

const STATE = ["err", "err", "warn", "", ""];

export function Meter({ password, name }: { password: string; name?: string }) {
  const { score, word, fits } = strength(password, name);
  const width = fits ? score * 25 : 4;
  return (
    <div class="strength" id="strength" role="status">
      <span class={`bar ${STATE[score]}`} aria-hidden="true"><i style={{ width: `${password ? width : 0}%` }} /></span>
      <span>{password ? word : "12 characters or more; a sentence is good"}</span>
    </div>
  );
}
