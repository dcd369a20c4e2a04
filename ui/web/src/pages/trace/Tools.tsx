// Find in the trace, and fold it: above the names of the waterfall.
import { useEffect, useRef, useState } from "preact/hooks";
import { param, setParams } from "../../lib/router";
import { formatCount } from "../../lib/units";
import { Popover } from "../../ui/parts";
import type { Fold, Waterfall } from "./state";

export function Find({ fall, onNext }: { fall: Waterfall; onNext: (step: 1 | -1) => void }) {
  const [text, setText] = useState(param("find"));
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setText(param("find")), [param("find")]);
  const type = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setParams({ find: value }, { replace: true }), 150);
  };
  return (
    <span class="find">
      <input
        class="input small"
        type="search"
        data-search
        aria-label="Find in this trace"
        placeholder="Find in this trace"
        value={text}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") onNext(event.shiftKey ? -1 : 1);
          if (event.key === "Escape") {
            type("");
            event.currentTarget.blur();
          }
        }}
      />
      <span class="muted" role="status">{fall.found ? `${formatCount(fall.foundCount)} found` : ""}</span>
    </span>
  );
}

const FOLDS: [Fold, string][] = [["none", "Unfold all"], ["services", "Fold inside services"], ["all", "Fold all"]];

export function FoldMenu({ fall }: { fall: Waterfall }) {
  return (
    <Popover label="Fold" text="Fold" class="btn small" align="start">
      {(close) => (
        <div class="menu">
          {FOLDS.map(([how, name]) => (
            <button key={how} onClick={() => { fall.fold(how); setParams({ fold: how }, { replace: true }); close(); }}>{name}</button>
          ))}
        </div>
      )}
    </Popover>
  );
}
