// A section of a board: 24 columns; on a narrow window one below the other. While it is edited, a panel is
// moved with the arrow keys, resized with Shift, removed with Delete, opened with Enter.
import { useState } from "preact/hooks";
import { PanelView } from "../../panels/PanelView";
import type { Board } from "../../panels/model";
import { keyOf } from "../../panels/model";
import { Placeholder } from "../../panels/Placeholder";
import { expandText } from "../../panels/variables";
import { range } from "../../lib/time";
import { Icon } from "../../ui/icons";
import { moveItem, removeItem } from "./change";
import type { Placed, Section } from "./layout";

interface Props {
  section: Section;
  board: Board;
  /** The variables are known. */
  ready: boolean;
  editing: boolean;
  onChange: (board: Board) => void;
  onEdit: (key: string) => void;
}

const STEPS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function BoardGrid({ section, board, ready, editing, onChange, onEdit }: Props) {
  const [open, setOpen] = useState(section.open);
  const title = expandText(section.title, { env: section.env, span: range.value, stepS: 60 });
  return (
    <section class="boardsection" aria-label={title || "Panels"}>
      {title && (
        <h2 class="sectiontitle">
          <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}><Icon name={open ? "down" : "right"} size={12} /> <span class="data">{title}</span> <span class="muted">{open ? "" : `${section.placed.length} panels`}</span></button>
        </h2>
      )}
      {open && (
        <div class="boardgrid">
          {section.placed.map((placed) => <Cell key={placed.key} placed={placed} section={section} board={board} ready={ready} editing={editing} onChange={onChange} onEdit={onEdit} />)}
        </div>
      )}
    </section>
  );
}

function Cell({ placed, section, board, ready, editing, onChange, onEdit }: Props & { placed: Placed }) {
  const { item, index, panel, env } = placed;
  const style = { gridColumn: `${item.x + 1} / span ${item.width}`, gridRow: `${item.y + 1} / span ${item.height}`, "--units": String(Math.min(item.height, 16)) };
  if (!panel) return <div class="boardcell panel" style={style}><Placeholder kind="(missing)" spec={{}} /></div>;
  const name = panel.spec.display?.name || "panel";
  const keys = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const step = STEPS[event.key];
    const own = board.spec.layouts?.[section.index]?.spec.items?.[index];
    if (!own) return;
    if (step) onChange(moveItem(board, section.index, index, event.shiftKey ? { width: own.width + step[0], height: own.height + step[1] } : { x: own.x + step[0], y: own.y + step[1] }));
    else if (event.key === "Delete") onChange(removeItem(board, section.index, index));
    else if (event.key === "Enter") onEdit(keyOf(item));
    else return;
    event.preventDefault();
  };
  const tools = editing && (
    <>
      <button type="button" class="btn plain small" aria-label={`Edit ${name}`} onClick={() => onEdit(keyOf(item))}><Icon name="edit" /></button>
      <button type="button" class="btn plain small" aria-label={`Remove ${name}`} onClick={() => onChange(removeItem(board, section.index, index))}><Icon name="trash" /></button>
    </>
  );
  return (
    <div
      class={editing ? "boardcell editing" : "boardcell"} style={style}
      {...(editing ? { tabIndex: 0, role: "group", "aria-label": `${name}: arrow keys move, with Shift resize, Enter edits, Delete removes`, onKeyDown: keys } : {})}
    >
      <PanelView panel={panel} env={env} name={name} tools={tools} ready={ready} />
    </div>
  );
}
