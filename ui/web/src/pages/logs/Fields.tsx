// Keys and values of a record, each a filter, a column, or something to copy.
import { useState } from "preact/hooks";
import { LIMITS } from "../../lib/limits";
import { formatCount } from "../../lib/units";
import { Icon, type IconName } from "../../ui/icons";
import { columns, filter, toggleColumn } from "./state";
import { cut, visible } from "../../lib/text";

export interface Field {
  name: string;
  value: string;
  /** The key in a search, where it can be searched for. */
  key?: string;
  /** The key as a column, where it can be one. */
  column?: string;
}

/** Fields of one kind at first. */
const SHOWN = 100;
/** Characters of a value that are drawn when it is open. */
const OPEN_CHARS = 100_000;

export function Fields({ title, fields }: { title: string; fields: readonly Field[] }) {
  const [isWhole, setWhole] = useState(false);
  if (fields.length === 0) return null;
  const shown = isWhole ? fields : fields.slice(0, SHOWN);
  return (
    <section class="fields" aria-label={title}>
      <h3>{title}</h3>
      <dl>
        {shown.map((field) => <Row key={field.name} field={field} />)}
      </dl>
      {shown.length < fields.length && <button class="btn small" onClick={() => setWhole(true)}>All {formatCount(fields.length)}</button>}
    </section>
  );
}

function Row({ field }: { field: Field }) {
  const { name, value, key, column } = field;
  const [isOpen, setOpen] = useState(false);
  const [said, setSaid] = useState(false);
  const isLong = value.length > LIMITS.valueChars;
  const part = cut(value, isOpen ? OPEN_CHARS : LIMITS.valueChars);
  const copy = () => navigator.clipboard.writeText(value).then(() => {
    setSaid(true);
    setTimeout(() => setSaid(false), 1200);
  }, () => {});
  const isColumn = column !== undefined && columns.value.includes(column);
  return (
    <div class="field">
      <dt class="data">{visible(cut(name, 300))}</dt>
      <dd tabIndex={-1}>
        <span class="data">{visible(part)}{part.length < value.length && "…"}</span>
        {isLong && <button class="btn small" onClick={() => setOpen(!isOpen)}>{isOpen ? "Fold" : `All ${formatCount(value.length)} characters`}</button>}
        <span class="acts">
          {key && <Act icon="plus" label={`Only rows with this ${name}`} run={() => filter(key, value, "include")} />}
          {key && <Act icon="minus" label={`Only rows without this ${name}`} run={() => filter(key, value, "exclude")} />}
          {column && <Act icon="logs" label={isColumn ? `Take the column ${name} away` : `Show ${name} as a column`} pressed={isColumn} run={() => toggleColumn(column)} />}
          <Act icon="copy" label={said ? "Copied" : `Copy ${name}`} run={copy} />
        </span>
      </dd>
    </div>
  );
}

function Act({ icon, label, run, pressed }: { icon: IconName; label: string; run: () => void; pressed?: boolean }) {
  return <button class="act" title={label} aria-label={label} aria-pressed={pressed} onClick={run}><Icon name={icon} size={13} /></button>;
}
