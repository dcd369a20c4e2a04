// SQL with the tables of this server.
import { PostgreSQL, sql as language } from "@codemirror/lang-sql";
import { Compartment, type Extension } from "@codemirror/state";
import { ViewPlugin, type EditorView } from "@codemirror/view";
import { loadSchema } from "../lib/schema";

const dialect = (schema: Record<string, string[]>) => language({ dialect: PostgreSQL, schema, upperCaseKeywords: true });

/** The names of tables and columns come when the server has told them. */
export function sql(): Extension {
  const place = new Compartment();
  const fill = ViewPlugin.define((view: EditorView) => {
    let gone = false;
    loadSchema().then(
      (tables) => {
        const schema = Object.fromEntries([...tables].map(([table, columns]) => [table, columns.map((c) => c.name)]));
        if (!gone) view.dispatch({ effects: place.reconfigure(dialect(schema)) });
      },
      () => {
        // Keywords alone, then.
      },
    );
    return { destroy: () => (gone = true) };
  });
  return [place.of(dialect({})), fill];
}
