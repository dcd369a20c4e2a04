// A text of the board.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { markdown, textOfHtml, type Block, type Inline } from "./markdown";
import { textOf } from "./model";
import type { PanelProps } from "./registry";
import { expandText } from "./variables";

function Line({ text }: { text: Inline[] }) {
  return <>{text.map((part, i) => (typeof part === "string" ? part : <Mark key={i} part={part} />))}</>;
}

function Mark({ part }: { part: Exclude<Inline, string> }): ComponentChildren {
  const inner = <Line text={part.text} />;
  if (part.kind === "link") return <a href={part.url} target="_blank" rel="noopener noreferrer">{inner}</a>;
  if (part.kind === "code") return <code>{inner}</code>;
  return part.kind === "strong" ? <strong>{inner}</strong> : <em>{inner}</em>;
}

function Part({ block }: { block: Block }) {
  switch (block.kind) {
    case "heading":
      // The page has h1, panels have h2.
      return block.level <= 2 ? <h3><Line text={block.text} /></h3> : <h4><Line text={block.text} /></h4>;
    case "code": return <pre>{block.source}</pre>;
    case "rule": return <hr />;
    case "quote": return <blockquote><Line text={block.text} /></blockquote>;
    case "list": {
      const items = block.items.map((item, i) => <li key={i}><Line text={item} /></li>);
      return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case "table":
      return (
        <table class="table">
          <thead><tr>{block.head.map((cell, i) => <th key={i}><Line text={cell} /></th>)}</tr></thead>
          <tbody>{block.rows.map((row, r) => <tr key={r}>{row.map((cell, i) => <td key={i}><Line text={cell} /></td>)}</tr>)}</tbody>
        </table>
      );
    default: return <p><Line text={block.text} /></p>;
  }
}

export function MarkdownPanel({ spec, around }: PanelProps) {
  const source = expandText(textOf(spec, "text") ?? "", around);
  const blocks = useMemo(() => markdown(spec.html === true ? textOfHtml(source) : source), [source, spec.html]);
  return <div class="panelscroll markdown data" tabIndex={0} role="group" aria-label="Text">{blocks.map((block, i) => <Part key={i} block={block} />)}</div>;
}
