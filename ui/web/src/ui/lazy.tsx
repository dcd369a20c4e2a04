// A component whose code is loaded when it is first drawn.
import type { ComponentType, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): FunctionComponent<P> {
  let loaded: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [Made, setMade] = useState<ComponentType<P> | null>(() => loaded);
    const [error, setError] = useState<Error | null>(null);
    useEffect(() => {
      if (Made) return;
      load().then((made) => {
        loaded = made;
        setMade(() => made);
      }, setError);
    }, []);
    // Whoever guards this part shows it.
    if (error) throw error;
    return Made ? <Made {...props} /> : <div class="waiting" role="progressbar" aria-label="Loading" />;
  };
}
