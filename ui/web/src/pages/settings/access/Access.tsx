// Who may do what here: users, API keys, and what was done.
import { me } from "../../../lib/session";
import { Audit } from "./Audit";
import { Keys } from "./Keys";
import { Users } from "./Users";
import "./access.css";

export type Part = "users" | "keys" | "audit";

export function Access({ part }: { part: Part }) {
  const now = me.value;
  return (
    <>
      {now && !now.login && (
        <div class={now.insecure_bind ? "notice" : "notice info"}>
          <span aria-hidden="true">{now.insecure_bind ? "●" : "◆"}</span>
          <span>Nobody has to log in here{now.insecure_bind ? ", and the address is open to others: without --insecure-bind a login is asked for" : ": only this machine reaches the address"}. <code>auth.login: on</code> asks everybody; then the server prints a link to set the first password. What is made below counts from then on.</span>
        </div>
      )}
      {part === "users" ? <Users /> : part === "keys" ? <Keys /> : <Audit />}
    </>
  );
}
