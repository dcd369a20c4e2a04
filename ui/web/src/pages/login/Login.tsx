// The login: a name and a password, or the provider of logins; then back to where the reader was going.
import { useEffect, useState } from "preact/hooks";
import { ApiError, send, url } from "../../lib/api";
import { asError } from "../../lib/load";
import { param } from "../../lib/router";
import { loadMe, me, safeBack, type Me } from "../../lib/session";
import { ErrorBox } from "../../ui/parts";
import { alreadyIn, enter, waitText } from "./enter";
import { Door, Secret } from "./fields";

export default function Login() {
  const back = param("back");
  const [asked, setAsked] = useState(false);
  const [looped, setLooped] = useState(false);
  useEffect(() => {
    const look = () => {
      if (!document.hidden) alreadyIn(back).then((found) => (setAsked(true), setLooped(found.looped)));
    };
    look();
    // Who logged in in another tab is let in here as well.
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [back]);
  const now = me.value;
  if (!asked && !now) return <Door title="Log in to Tarn"><p class="hint" role="status">Asking the server…</p></Door>;
  if (!now) {
    return (
      <Door title="Log in to Tarn">
        <ErrorBox error={new ApiError(0, "network", "the server cannot be reached")} retry={() => void loadMe()} />
      </Door>
    );
  }
  if (!now.login) {
    return (
      <Door title="No login is needed">
        <p>This server lets everybody in. If you were sent here, something in front of it asks who you are.</p>
        <a class="btn primary wide" href={safeBack(back)} data-reload>Go on</a>
      </Door>
    );
  }
  if (looped && now.principal) return <Again now={now} back={back} />;
  return (
    <Door title="Log in to Tarn" under={now.setup ? undefined : <>No password, or a lost one? Whoever administers access makes a link to set one.</>}>
      {now.setup && <Setup />}
      {now.password_refused ? <div class="notice" role="alert"><span aria-hidden="true">●</span><span class="data">{sentence(now.password_refused)}</span></div> : now.password && <Form back={back} />}
      {now.oidc && now.password && !now.password_refused && <span class="or">or</span>}
      {now.oidc && !now.password_refused && <a class="btn wide" data-reload href={url("/api/v1/access/oidc/start", { back: safeBack(back) })}>Continue with {now.oidc.name}</a>}
    </Door>
  );
}

/** Nobody has a password yet: where the first one comes from. */
function Setup() {
  return (
    <div class="notice info">
      <span aria-hidden="true">◆</span>
      <span>Nobody can log in yet. When it started, the server printed a link that is good once and for a day, to set the first password: look for <code>/welcome#</code> in its output (<code>journalctl -u tarn</code>, <code>docker logs</code>, <code>kubectl logs</code>). Every start prints a new one.</span>
    </div>
  );
}

/** Logged in, and sent back here all the same. */
function Again({ now, back }: { now: Me; back: string }) {
  return (
    <Door title="You are logged in">
      <p>As <strong class="data">{now.principal!.name}</strong>; but the page that you came from was refused.</p>
      <a class="btn primary wide" href={safeBack(back)} data-reload>Try it again</a>
      <a class="btn wide" href="./" data-reload>To the overview</a>
    </Door>
  );
}

function Form({ back }: { back: string }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [until, setUntil] = useState(0);
  const [tick, setTick] = useState(0);
  const left = until - Date.now();
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => setTick(tick + 1), Math.min(left, 1000));
    return () => clearTimeout(timer);
  }, [tick, until]);
  const log = async () => {
    if (busy || left > 0) return;
    setBusy(true);
    setFailed(null);
    try {
      await send("/api/v1/access/login", {}, { method: "POST", body: JSON.stringify({ name, password }), headers: { "Content-Type": "application/json" }, mayBeWrong: true });
      enter(back);
    } catch (error) {
      const why = asError(error);
      setFailed(why);
      if (why.retryAfterS) setUntil(Date.now() + why.retryAfterS * 1000);
      if (why.status === 401) setPassword("");
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); void log(); }}>
      <label class="field">Name
        <input class="input" name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={64} autofocus value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <Secret label="Password" autocomplete="current-password" value={password} onInput={setPassword} />
      <Failure failed={failed} left={left} />
      <button class="btn primary wide" aria-disabled={busy || left > 0}>{busy ? "Logging in…" : "Log in"}</button>
    </form>
  );
}

function Failure({ failed, left }: { failed: ApiError | null; left: number }) {
  if (!failed) return null;
  const wrong = failed.status === 401;
  const waits = failed.retryAfterS !== undefined;
  if (waits && left <= 0) return <div class="notice info" role="status"><span aria-hidden="true">◆</span><span>You can try again now.</span></div>;
  return (
    <div class="error">
      <span role="alert"><strong>{wrong ? "That did not fit." : failed.status === 429 ? "Too many attempts." : "You were not let in."}</strong> {wrong ? "The name or the password is wrong." : <span class="data">{sentence(failed.message)}</span>}</span>
      {waits && <span class="muted">Try again in {waitText(left)}.</span>}
    </div>
  );
}

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
