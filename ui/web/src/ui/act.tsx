// A button for what not everybody may do: it stays where it is, and says why it does nothing.
import type { ComponentProps } from "preact";
import { whyNot, type Role } from "../lib/session";

type Props = ComponentProps<"button"> & { role_: Role; where?: "tenant" | "server" };

export function Act({ role_, where = "tenant", title, onClick, children, ...rest }: Props) {
  const why = whyNot(role_, where);
  if (!why) return <button {...rest} title={title} onClick={onClick}>{children}</button>;
  // Not `disabled`: the reason must be reachable by keys as well.
  return <button {...rest} type="button" title={why} aria-disabled="true" onClick={(event) => event.preventDefault()}>{children}<span class="sr"> ({why})</span></button>;
}
