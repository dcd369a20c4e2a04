// Another password for whoever is logged in; all their other sessions end.
import { useState } from "preact/hooks";
import { send, type ApiError } from "../../lib/api";
import { asError } from "../../lib/load";
import { loadMe, me } from "../../lib/session";
import { Dialog, ErrorBox } from "../../ui/parts";
import { Meter, Secret } from "./fields";
import { strength } from "./strength";

export function ChangePassword({ onClose }: { onClose: () => void }) {
  const [old, setOld] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [done, setDone] = useState(false);
  const name = me.value?.principal?.name ?? "";
  const ready = old !== "" && strength(password, name).fits && password === again;
  const save = async () => {
    if (!ready) return;
    try {
      await send("/api/v1/access/password", {}, { method: "POST", body: JSON.stringify({ old, password }), headers: { "Content-Type": "application/json" }, mayBeWrong: true });
      // Another session has begun, with another token.
      await loadMe();
      setDone(true);
    } catch (error) {
      setFailed(asError(error));
    }
  };
  return (
    <Dialog title="Change password" onClose={onClose}>
      <form class="passworddialog" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <h2>Change password</h2>
        {done ? <p role="status">It is changed. Everywhere else you are logged out.</p> : (
          <>
            <input type="hidden" autocomplete="username" value={name} />
            <Secret label="Old password" autocomplete="current-password" autofocus value={old} onInput={setOld} />
            <Secret label="New password" autocomplete="new-password" value={password} onInput={setPassword} describedBy="strength" />
            <Meter password={password} name={name} />
            <Secret label="The same again" autocomplete="new-password" value={again} onInput={setAgain} />
            <span role="status" class="caps">{again && again !== password ? "● The two are not the same." : ""}</span>
            {failed?.status === 401 ? <p class="caps" role="alert">▲ The old password is wrong.</p> : failed && <ErrorBox error={failed} />}
          </>
        )}
        <span class="row">{!done && <button class="btn primary" disabled={!ready}>Change it</button>}<button type="button" class="btn" onClick={onClose}>{done ? "Close" : "Cancel"}</button></span>
      </form>
    </Dialog>
  );
}
