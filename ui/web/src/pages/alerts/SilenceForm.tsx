// A new silence: matchers, how long, who and why, and which alerts it would quiet now.
import { useState } from "preact/hooks";
import { ask, write } from "../../lib/api";
import { asError, useLoad } from "../../lib/load";
import { preference } from "../../lib/prefs";
import { parseDuration, refresh } from "../../lib/time";
import { Act } from "../../ui/act";
import { Dialog, ErrorBox } from "../../ui/parts";
import { matcherText, readMatchers, type Told } from "./model";

const author = preference<string>("silence.author", "", (value) => typeof value === "string" && value.length < 200);
const LENGTHS = ["30m", "2h", "8h", "1d", "1w"];

export function SilenceForm({ matchers: first, comment: firstComment = "", onClose }: { matchers: string; comment?: string; onClose: () => void }) {
  const [text, setText] = useState(first);
  const [length, setLength] = useState("2h");
  const [who, setWho] = useState(author.value);
  const [comment, setComment] = useState(firstComment);
  const [failed, setFailed] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const matchers = readMatchers(text);
  const ms = parseDuration(length);
  const filter = typeof matchers === "string" ? null : matchers.map(matcherText);
  const now = useLoad(filter ? filter.join() : null, async (signal) => (await ask<Told[]>("/api/v2/alerts", { filter: filter! }, signal)).data);
  const mistake = typeof matchers === "string" ? (text.trim() === "" ? "" : matchers) : ms === null || ms <= 0 ? `${length} is no duration: 30m, 2h, 1d` : "";
  const ready = typeof matchers !== "string" && ms !== null && ms > 0 && who.trim() !== "" && comment.trim() !== "" && !busy;
  const save = async () => {
    if (typeof matchers === "string" || !ms) return;
    setBusy(true);
    try {
      const startsAt = new Date().toISOString();
      await write("POST", "/api/v2/silences", { matchers, startsAt, endsAt: new Date(Date.now() + ms).toISOString(), createdBy: who.trim(), comment: comment.trim() });
      author.value = who.trim();
      refresh();
      onClose();
    } catch (e) {
      setFailed(asError(e));
      setBusy(false);
    }
  };
  return (
    <Dialog title="Silence alerts" onClose={onClose} class="silence">
      <form class="body" onSubmit={(e) => (e.preventDefault(), void save())}>
        <h2>Silence alerts</h2>
        <label class="field">Quiet are alerts with all of these
          <textarea class="input mono" rows={3} value={text} spellcheck={false} placeholder={'alertname="PaymentsFail", gateway=~"eu-.*"'} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        <p class={mistake ? "bad" : "muted"} role="status">
          {mistake || (now.data ? `${now.data.length} alert${now.data.length === 1 ? "" : "s"} of now ${now.data.length === 1 ? "is" : "are"} quiet then${now.data.length > 0 ? `: ${[...new Set(now.data.map((a) => a.labels.alertname))].slice(0, 5).join(", ")}` : ""}.` : "Labels as the alert shows them: name, =, !=, =~ or !~, value.")}
        </p>
        <div class="row">
          <label class="field">For<input class="input short" value={length} onInput={(e) => setLength(e.currentTarget.value)} /></label>
          <span class="row lengths">{LENGTHS.map((one) => <button type="button" class="btn small" key={one} aria-pressed={one === length} onClick={() => setLength(one)}>{one}</button>)}</span>
        </div>
        <label class="field">Your name<input class="input" value={who} autocomplete="name" onInput={(e) => setWho(e.currentTarget.value)} /></label>
        <label class="field">Why<input class="input" value={comment} placeholder="what is being done about it" onInput={(e) => setComment(e.currentTarget.value)} /></label>
        {failed && <ErrorBox error={failed} />}
        <span class="row"><Act role_="editor" class="btn primary" disabled={!ready}>Silence for {length}</Act><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}
