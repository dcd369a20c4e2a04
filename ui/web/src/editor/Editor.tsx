// A field for queries: CodeMirror, loaded when it is first wanted; until then, and where it cannot be
// loaded, a plain text field that does the same.
import { useEffect, useRef, useState } from "preact/hooks";
import type { EditorHandle, Language } from "./codemirror";
import "./editor.css";

export interface EditorProps {
  value: string;
  language: Language;
  label: string;
  /** Each change of the text. */
  onChange?: (text: string) => void;
  /** Enter (PromQL), or Ctrl Enter. */
  onRun: (text: string) => void;
  placeholder?: string;
  /** What is wrong, in characters of the text. */
  mark?: { start: number; end: number } | null;
  autofocus?: boolean;
  rows?: number;
}

export function Editor(props: EditorProps) {
  const { value, language, label, placeholder, mark, rows = 1 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plain = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<EditorHandle | null>(null);
  const [ready, setReady] = useState(false);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let gone = false;
    import("./codemirror").then(
      ({ createEditor }) => {
        if (gone || !box.current) return;
        const focused = document.activeElement === plain.current;
        const text = plain.current?.value ?? latest.current.value;
        editor.current = createEditor(box.current, {
          text, language, label, placeholder,
          onChange: (changed) => latest.current.onChange?.(changed),
          onRun: (run) => latest.current.onRun(run),
        });
        setReady(true);
        if (focused || latest.current.autofocus) editor.current.focus();
      },
      () => {
        // The plain field stays.
      },
    );
    return () => {
      gone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, [language]);
  useEffect(() => editor.current?.setText(value), [value, ready]);
  useEffect(() => editor.current?.setMark(mark ?? null), [mark?.start, mark?.end, ready]);
  return (
    <div class="editor" style={{ minHeight: `${rows * 20 + 14}px` }}>
      <div ref={box} />
      {!ready && (
        <textarea
          ref={plain}
          class="mono"
          aria-label={label}
          rows={rows}
          defaultValue={value}
          placeholder={placeholder}
          spellcheck={false}
          onInput={(event) => latest.current.onChange?.(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || (language === "sql" && !event.ctrlKey && !event.metaKey)) return;
            event.preventDefault();
            latest.current.onRun(event.currentTarget.value);
          }}
        />
      )}
    </div>
  );
}
