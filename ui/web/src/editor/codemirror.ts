// CodeMirror with the languages of the pages. Styles carry the nonce of the page's security policy.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState, Prec, type Extension } from "@codemirror/state";
import { EditorView, keymap, placeholder as placeholderOf } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { promql } from "./promql";
import { sql } from "./sql";

export type Language = "promql" | "sql";

export interface EditorOptions {
  text: string;
  language: Language;
  label: string;
  placeholder?: string;
  onChange: (text: string) => void;
  onRun: (text: string) => void;
}

export interface EditorHandle {
  setText: (text: string) => void;
  setMark: (mark: { start: number; end: number } | null) => void;
  focus: () => void;
  destroy: () => void;
}

const colours = HighlightStyle.define([
  { tag: [tags.function(tags.variableName), tags.keyword, tags.modifier, tags.operatorKeyword], color: "var(--syn-fn)" },
  { tag: [tags.labelName, tags.propertyName], color: "var(--syn-label)" },
  { tag: [tags.string, tags.number, tags.special(tags.string)], color: "var(--syn-lit)" },
  { tag: tags.comment, color: "var(--fg-3)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--err)" },
]);

export function createEditor(parent: HTMLElement, options: EditorOptions): EditorHandle {
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
  const run = (view: EditorView) => {
    options.onRun(view.state.doc.toString());
    return true;
  };
  // In PromQL Enter runs, unless a completion is open; SQL has lines.
  const keys = options.language === "promql" ? [{ key: "Enter", run, shift: () => false }, { key: "Mod-Enter", run }] : [{ key: "Mod-Enter", run }];
  const language: Extension = options.language === "promql" ? promql() : sql();
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        language,
        syntaxHighlighting(colours),
        history(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false }),
        Prec.high(keymap.of(completionKeymap)),
        keymap.of([...keys, ...closeBracketsKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": options.label, spellcheck: "false", autocapitalize: "off" }),
        options.placeholder ? placeholderOf(options.placeholder) : [],
        EditorView.updateListener.of((update) => update.docChanged && options.onChange(update.state.doc.toString())),
      ],
    }),
  });
  return {
    setText: (text) => {
      if (view.state.doc.toString() !== text) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
    },
    setMark: (mark) => {
      const length = view.state.doc.length;
      const list = mark ? [{ from: Math.min(mark.start, length), to: Math.min(Math.max(mark.end, mark.start + 1), length), severity: "error" as const, message: "here" }] : [];
      view.dispatch(setDiagnostics(view.state, list));
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
