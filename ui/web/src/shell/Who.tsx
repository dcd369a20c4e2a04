// Who is logged in: what they may do and where, another tenant, another password, and the way out.
import { useState } from "preact/hooks";
import { write } from "../lib/api";
import { asError } from "../lib/load";
import { href, param, setParams } from "../lib/router";
import { ALL, loadMe, me, readable, tenantNow } from "../lib/session";
import { ErrorBox, Popover } from "../ui/parts";
import { lazy } from "../ui/lazy";
import { serverStatus } from "./server";

const Password = lazy(() => import("../pages/login/ChangePassword").then((m) => m.ChangePassword));
const HOW: Record<string, string> = { password: "with a password", oidc: "through your provider", key: "with an API key", certificate: "with a certificate", open: "without a login" };

export function Who({ name }: { name: string }) {
  const [known, setKnown] = useState<string[]>([]);
  const [error, setError] = useState<Error | null>(null);
  const [changing, setChanging] = useState(false);
  const { how, grants } = me.value!.principal!;
  const own = readable(grants);
  // Whoever may read all tenants is told which there are.
  const look = () => void (own.includes(ALL) && serverStatus().then((status) => setKnown(status.tenants ?? []), () => {}));
  const tenants = own.includes(ALL) ? [...new Set(["default", ...known, param("tenant") || "default"])].sort() : own;
  const now = tenantNow();
  const leave = async () => {
    try {
      await write("POST", "/api/v1/access/logout", {});
      // Loads the app anew: nothing of what was read stays in the page.
      location.assign("./login");
    } catch (failure) {
      setError(asError(failure));
      void loadMe();
    }
  };
  return (
    <>
      <Popover label={`You are ${name}`} icon="user" class="btn plain icon whoami" title={name} onOpen={look} text={<span class="wide clip">{tenants.length > 1 && now !== "default" ? `${name} · ${now}` : name}</span>}>
        {(close) => (
          <div class="whomenu">
            <p><strong class="data">{name}</strong><br /><span class="muted">logged in {HOW[how] ?? how}</span></p>
            <ul>{grants.map((grant, i) => <li key={i}><b>{grant.role}</b> <span class="muted data">{grant.tenants.includes(ALL) ? "of all tenants" : `of ${grant.tenants.join(", ")}`}</span></li>)}</ul>
            {tenants.length > 1 && (
              <label class="field">Tenant
                <select class="input" value={now} onChange={(event) => { setParams({ tenant: event.currentTarget.value === "default" ? null : event.currentTarget.value }); close(); }}>
                  {tenants.map((one) => <option key={one} value={one}>{one}</option>)}
                </select>
              </label>
            )}
            {error && <ErrorBox error={error} />}
            <div class="menu">
              {how === "password" && <button onClick={() => { close(); setChanging(true); }}>Change password…</button>}
              <a href={href("/settings", { part: "keys" })} onClick={close}>Access: users, keys, audit</a>
              <button onClick={() => void leave()}>Log out</button>
            </div>
          </div>
        )}
      </Popover>
      {changing && <Password onClose={() => setChanging(false)} />}
    </>
  );
}
