// Light, dark, or what the system says. Canvases read colours from tokens and draw again when the
// theme changes: `themeTick` counts the changes.
import { effect, signal } from "@preact/signals";
import { oneOf, preference } from "./prefs";

export type Theme = "auto" | "light" | "dark";
export const theme = preference<Theme>("theme", "auto", oneOf("auto", "light", "dark"));
export const themeTick = signal(0);

let probe: HTMLElement | undefined;
let cache = new Map<string, string>();

/** Returns a colour token as `rgb(…)`. `light-dark()` reads back unresolved, so a real property is asked. */
export function token(name: string): string {
  themeTick.value;
  const known = cache.get(name);
  if (known !== undefined) return known;
  if (!probe) {
    probe = document.createElement("i");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  cache.set(name, color);
  return color;
}

/** Returns a token's colour with an opacity from 0 to 1. */
export function faded(name: string, alpha: number): string {
  const parts = token(name).match(/[\d.]+/g) ?? ["0", "0", "0"];
  return `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${alpha})`;
}

export function startTheme() {
  const changed = () => {
    cache = new Map();
    themeTick.value = themeTick.peek() + 1;
  };
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

/** Steps through auto, light, dark. */
export function nextTheme() {
  const order: Theme[] = ["auto", "light", "dark"];
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length];
}
