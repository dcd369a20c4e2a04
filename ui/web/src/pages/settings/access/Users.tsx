// People who log in with a password: made with a link behind which they set one.
import { useState } from "preact/hooks";
import { asError, useLoad } from "../../../lib/load";
import { me } from "../../../lib/session";
import { ago, formatTime } from "../../../lib/time";
import { Act } from "../../../ui/act";
import { Badge, Copy, Dialog, Empty, ErrorBox } from "../../../ui/parts";
import { addUser, grantText, listUsers, newLink, removeUser, setGrants, type Link, type User } from "./fetch";
import { GrantFields, toDrafts, toGrants, type Draft } from "./GrantFields";

type Open = { what: "add" } | { what: "grants" | "remove" | "link"; user: User };

export function Users() {
  const { data, error, reload } = useLoad("users", listUsers);
  const [open, setOpen] = useState<Open | null>(null);
  const [link, setLink] = useState<Link | null>(null);
  const done = (made: Link | null) => {
    setOpen(null);
    setLink(made);
    reload();
  };
  return (
    <section class="panel" aria-label="Users">
      <header><h2>Users</h2><span class="muted">people with a password{me.value?.oidc ? `; those of ${me.value.oidc.name} get their roles through groups in auth.file` : ""}</span><span class="grow" /><Act role_="admin" where="server" class="btn small" onClick={() => setOpen({ what: "add" })}>Add a user…</Act></header>
      {error && <ErrorBox error={error} retry={reload} />}
      {data?.length === 0 && <Empty title="There are no users."><p>Whoever you add gets a link that is good once, and sets a password behind it. Nobody else ever knows it.</p></Empty>}
      {data && data.length > 0 && (
        <div class="scroll-x" tabIndex={0} role="region" aria-label="List of users">
          <table class="table">
            <thead><tr><th>Name</th><th>May</th><th>State</th><th>Last login</th><th><span class="sr">Do</span></th></tr></thead>
            <tbody>
              {data.map((user) => (
                <tr key={user.name}>
                  <td class="data"><b>{user.name}</b>{user.name === me.value?.principal?.name && me.value.principal.how === "password" ? <span class="muted"> (you)</span> : ""}</td>
                  <td class="data">{user.grants.map(grantText).join("; ")}</td>
                  <td>{user.locked_until && Date.parse(user.locked_until) > Date.now() ? <span title="Too many wrong passwords"><Badge state="warn">waits until {formatTime(Date.parse(user.locked_until), true)}</Badge></span> : user.has_password ? <Badge state="ok">has a password</Badge> : <Badge state="none">no password yet</Badge>}</td>
                  <td class="muted" title={user.last_login ? formatTime(Date.parse(user.last_login)) : undefined}>{user.last_login ? ago(Date.parse(user.last_login)) : "never"}</td>
                  <td class="num do">
                    <Act role_="admin" where="server" class="btn small plain" onClick={() => setOpen({ what: "grants", user })}>Roles…</Act>
                    <Act role_="admin" where="server" class="btn small plain" onClick={() => setOpen({ what: "link", user })}>New link…</Act>
                    <Act role_="admin" where="server" class="btn small plain" onClick={() => setOpen({ what: "remove", user })}>Remove…</Act>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {open?.what === "add" && <AddUser onClose={() => setOpen(null)} onDone={done} />}
      {open?.what === "grants" && <Roles user={open.user} onClose={() => setOpen(null)} onDone={done} />}
      {open?.what === "remove" && <Sure title={`Remove ${open.user.name}?`} word="Remove" work={async () => void (await removeUser(open.user.name))} onClose={() => setOpen(null)} onDone={() => done(null)}>They are logged out everywhere at once. What they made stays.</Sure>}
      {open?.what === "link" && <Sure title={`A new link for ${open.user.name}?`} word="Make a link" work={async () => setLink(await newLink(open.user.name))} onClose={() => setOpen(null)} onDone={() => { setOpen(null); reload(); }}>It sets another password, once and within a day. The password of now stays good until then.</Sure>}
      {link && <ShowLink link={link} onClose={() => setLink(null)} />}
    </section>
  );
}

function AddUser({ onClose, onDone }: { onClose: () => void; onDone: (link: Link) => void }) {
  const [name, setName] = useState("");
  const [drafts, setDrafts] = useState<Draft[]>([{ role: "viewer", tenants: "" }]);
  const [error, setError] = useState<Error | null>(null);
  const add = () => addUser(name.trim().toLowerCase(), toGrants(drafts)).then(onDone, (why: unknown) => setError(asError(why)));
  return (
    <Dialog title="Add a user" onClose={onClose}>
      <form class="accessdialog" onSubmit={(event) => { event.preventDefault(); void add(); }}>
        <h2>Add a user</h2>
        <label class="field">Name<input class="input" autofocus required maxLength={64} autocapitalize="none" autocomplete="off" spellcheck={false} placeholder="vera, or vera@example.com" value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <GrantFields drafts={drafts} onChange={setDrafts} />
        {error && <ErrorBox error={error} />}
        <span class="row"><button class="btn primary">Add and make a link</button><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}

function Roles({ user, onClose, onDone }: { user: User; onClose: () => void; onDone: (link: null) => void }) {
  const [drafts, setDrafts] = useState(toDrafts(user.grants));
  const [error, setError] = useState<Error | null>(null);
  const save = () => setGrants(user.name, toGrants(drafts)).then(() => onDone(null), (why: unknown) => setError(asError(why)));
  return (
    <Dialog title={`Roles of ${user.name}`} onClose={onClose}>
      <form class="accessdialog" onSubmit={(event) => { event.preventDefault(); void save(); }}>
        <h2 class="data">Roles of {user.name}</h2>
        <GrantFields drafts={drafts} onChange={setDrafts} />
        <p class="muted">They count from the next request on, in sessions that exist as well.</p>
        {error && <ErrorBox error={error} />}
        <span class="row"><button class="btn primary">Save</button><button type="button" class="btn" onClick={onClose}>Cancel</button></span>
      </form>
    </Dialog>
  );
}

function ShowLink({ link, onClose }: { link: Link; onClose: () => void }) {
  return (
    <Dialog title={`The link for ${link.name}`} onClose={onClose}>
      <div class="accessdialog">
        <h2 class="data">The link for {link.name}</h2>
        <p>Give it to them and to nobody else. It is good once, until {formatTime(Date.parse(link.expires))}, and shown only here.</p>
        <pre class="secretbox" tabIndex={0} aria-label="Link">{link.link}</pre>
        <span class="row"><Copy text={link.link} label="Copy the link" small={false} /><button class="btn" onClick={onClose}>Done</button></span>
      </div>
    </Dialog>
  );
}

/** Asks before something that cannot be undone. */
export function Sure({ title, word, work, children, onClose, onDone }: { title: string; word: string; work: () => Promise<void>; children: preact.ComponentChildren; onClose: () => void; onDone: () => void }) {
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const go = () => {
    setBusy(true);
    work().then(onDone, (why: unknown) => (setError(asError(why)), setBusy(false)));
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="accessdialog">
        <h2 class="data">{title}</h2>
        <p>{children}</p>
        {error && <ErrorBox error={error} />}
        <span class="row"><button class="btn primary" disabled={busy} onClick={go}>{word}</button><button class="btn" autofocus onClick={onClose}>Cancel</button></span>
      </div>
    </Dialog>
  );
}
