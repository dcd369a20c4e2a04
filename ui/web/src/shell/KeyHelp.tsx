// Every key that works here.
import { allShortcuts } from "../lib/keys";
import { Dialog } from "../ui/parts";

export function KeyHelp({ onClose }: { onClose: () => void }) {
  const seen = new Map(allShortcuts().map((one) => [one.keys, one.name]));
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div class="keys">
        <h2>Keys</h2>
        <dl>
          {[...seen].map(([keys, name]) => (
            <>
              <dt key={keys}>{keys.split(" ").map((key) => <><kbd>{key}</kbd> </>)}</dt>
              <dd>{name}</dd>
            </>
          ))}
        </dl>
        <button class="btn" onClick={onClose} autofocus>Close <kbd>Esc</kbd></button>
      </div>
    </Dialog>
  );
}
