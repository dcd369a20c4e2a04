// What somebody may do, and for which tenants; several of both where that is wanted.
import type { Grant, Role } from "../../../lib/session";
import { ALL } from "../../../lib/session";
import { Icon } from "../../../ui/icons";
import { ROLES, tenantsOf } from "./fetch";

export interface Draft {
  role: Role;
  tenants: string;
}

export const toGrants = (drafts: readonly Draft[]): Grant[] => drafts.map(({ role, tenants }) => ({ role, tenants: tenantsOf(tenants) }));
export const toDrafts = (grants: readonly Grant[]): Draft[] => grants.map(({ role, tenants }) => ({ role, tenants: tenants.includes(ALL) ? "" : tenants.join(", ") }));

export function GrantFields({ drafts, onChange, many = true }: { drafts: readonly Draft[]; onChange: (drafts: Draft[]) => void; many?: boolean }) {
  const set = (i: number, part: Partial<Draft>) => onChange(drafts.map((draft, at) => (at === i ? { ...draft, ...part } : draft)));
  return (
    <div class="grants">
      {drafts.map((draft, i) => (
        <div class="grantrow" key={i}>
          <label class="field">May
            <select class="input" value={draft.role} onChange={(event) => set(i, { role: event.currentTarget.value as Role })}>
              {ROLES.map(({ value, means }) => <option key={value} value={value}>{value}: {means}</option>)}
            </select>
          </label>
          <label class="field">Tenants
            <input class="input mono" placeholder="all of them" spellcheck={false} value={draft.tenants} onInput={(event) => set(i, { tenants: event.currentTarget.value })} />
          </label>
          {drafts.length > 1 && <button type="button" class="btn icon" aria-label="Take this role away" onClick={() => onChange(drafts.filter((_, at) => at !== i))}><Icon name="close" /></button>}
        </div>
      ))}
      {many && <span><button type="button" class="btn small" onClick={() => onChange([...drafts, { role: "viewer", tenants: "" }])}><Icon name="plus" /> Another role</button></span>}
    </div>
  );
}
