// The search of the page as text; what the server does not understand is marked in it.
import { useEffect, useRef, useState } from "preact/hooks";
import { curl, type ApiError } from "../../lib/api";
import { navigate, setParams } from "../../lib/router";
import { Copy } from "../../ui/parts";

export function SearchBox({ applied, error }: { applied: string; error?: ApiError }) {
  const [text, setText] = useState(applied);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(applied), [applied]);
  const submit = (event: Event) => {
    event.preventDefault();
    // An id alone is the trace itself.
    const id = /^(?:trace:)?([0-9a-f]{32})$/i.exec(text.trim());
    if (id) navigate(`/traces/${id[1].toLowerCase()}`, {});
    else setParams({ q: text.trim() });
  };
  return (
    <form class="tsearch" role="search" onSubmit={submit}>
      <input
        ref={input}
        class="input mono"
        data-search
        aria-label="Search in spans"
        aria-invalid={error?.span !== undefined}
        placeholder='service:checkout status:error duration>200ms   name:"GET /cart"   http.response.status_code>=500   a trace id'
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
        spellcheck={false}
        autocomplete="off"
      />
      <button class="btn primary">Search</button>
      <Copy small={false} label="curl" title="Copy as curl" text={() => curl("/api/v1/traces/search", { q: applied })} />
      {error && text === applied && <Marked text={applied} error={error} />}
    </form>
  );
}

/** Marks the characters that are meant; the server counts bytes of UTF-8. */
function Marked({ text, error }: { text: string; error: ApiError }) {
  const bytes = new TextEncoder().encode(text);
  const part = (from: number, to?: number) => new TextDecoder().decode(bytes.slice(from, to));
  const { start, end } = error.span ?? { start: 0, end: 0 };
  return (
    <div class="error" role="alert">
      <span><strong>The search is not right.</strong> <span class="data">{error.message.replace(/^invalid parameter "q": /, "")}</span></span>
      {error.span && <span class="mono data">{part(0, start)}<mark>{part(start, end) || "▲"}</mark>{part(end)}</span>}
    </div>
  );
}
