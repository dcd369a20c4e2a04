// A kind that nobody here draws: it says what it is, and is kept as it was.
import { textOf, type Tree } from "./model";

export function Placeholder({ kind, spec }: { kind: string; spec: Tree }) {
  const imported = kind === "TarnPlaceholder";
  const text = JSON.stringify(imported ? spec.original ?? spec : spec, null, 2).slice(0, 20_000);
  return (
    <div class="panelscroll placeholder" tabIndex={0} role="group" aria-label="Placeholder">
      <p><strong>{imported ? "Kept from the import, not shown." : `Panels of kind ${kind} are not shown here.`}</strong> <span class="muted data">{imported ? textOf(spec, "why") : "The board keeps them unchanged."}</span></p>
      <details><summary>Its JSON</summary><pre>{text}</pre></details>
    </div>
  );
}
