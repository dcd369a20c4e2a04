// The page behind a one-time link: sets a password, and is logged in then. The link's token stands after
// the #, which browsers send nowhere.
import { useEffect, useState } from "preact/hooks";
import { ApiError, send } from "../../lib/api";
import { asError } from "../../lib/load";
import { href } from "../../lib/router";
import { loadMe, me } from "../../lib/session";
import { ErrorBox } from "../../ui/parts";
import { enter } from "./enter";
import { Door, Meter, Secret } from "./fields";
import { strength } from "./strength";

const GONE = "A link is good once, and for a day. Whoever administers access makes another one under Settings, Access; a server that nobody has logged in to prints one at every start.";

export default function Welcome() {
  const [token, setToken] = useState(location.hash.slice(1));
  useEffect(() => {
    void loadMe();
    const changed = () => setToken(location.hash.slice(1));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  if (!token) {
    return (
      <Door title="This link is not whole">
        <p>It has nothing after the <code>#</code>. Copy all of it, up to its end.</p>
        <p class="hint">{GONE}</p>
        <a class="btn wide" href={href("/login")}>To the login</a>
      </Door>
    );
  }
  return <SetPassword key={token} token={token} />;
}

function SetPassword({ token }: { token: string }) {
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const refused = me.value?.password_refused;
  const differs = again !== "" && again !== password;
  const save = async () => {
    if (busy || !strength(password).fits || password !== again) return;
    setBusy(true);
    try {
      await send("/api/v1/access/password", {}, { method: "POST", body: JSON.stringify({ link: token, password }), headers: { "Content-Type": "application/json" }, mayBeWrong: true });
      enter("");
    } catch (error) {
      setFailed(asError(error));
      setBusy(false);
    }
  };
  if (failed?.status === 403 && !refused) {
    return (
      <Door title="This link is over">
        <p>{GONE}</p>
        <a class="btn wide" href={href("/login")}>To the login</a>
      </Door>
    );
  }
  if (refused) return <Door title="Set your password"><div class="notice" role="alert"><span aria-hidden="true">●</span><span class="data">{refused}</span></div></Door>;
  return (
    <Door title="Set your password" under="Nobody else knows it, whoever made the link included.">
      <form onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <Secret label="New password" autocomplete="new-password" autofocus value={password} onInput={setPassword} describedBy="strength" />
        <Meter password={password} />
        <Secret label="The same again" autocomplete="new-password" value={again} onInput={setAgain} />
        <span role="status" class="caps">{differs ? "● The two are not the same." : ""}</span>
        {failed && <ErrorBox error={failed} />}
        <button class="btn primary wide" aria-disabled={busy || !strength(password).fits || password !== again}>{busy ? "Saving…" : "Set it and log in"}</button>
      </form>
    </Door>
  );
}
