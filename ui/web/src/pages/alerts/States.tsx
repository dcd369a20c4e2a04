// The states of an alert over time: a strip, one rectangle per stretch.
import type { States } from "./model";

export interface StretchOf {
  from: number;
  to: number;
  state: number;
}

/** Runs of equal states, those of nothing left out. */
export function stretches(states: States): StretchOf[] {
  const found: StretchOf[] = [];
  states.forEach((state, at) => {
    const last = found[found.length - 1];
    if (last && last.to === at && last.state === state) last.to = at + 1;
    else if (state > 0) found.push({ from: at, to: at + 1, state });
  });
  return found;
}

export function StateStrip({ states, steps, page, height = 12, label }: { states: States; steps: number; page: boolean; height?: number; label: string }) {
  const fill = (state: number) => (state === 1 ? "var(--info)" : page ? "var(--err)" : "var(--warn-fill)");
  return (
    <svg class="states" viewBox={`0 0 ${Math.max(steps, 1)} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {stretches(states).map((one) => (
        // Pending is lower: the shape tells it apart without its colour.
        <rect key={one.from} x={one.from} width={one.to - one.from} y={one.state === 1 ? height * 0.6 : 0} height={one.state === 1 ? height * 0.4 : height} style={{ fill: fill(one.state) }} />
      ))}
    </svg>
  );
}

/** `firing 12 min, pending 1 min in 2 stretches`: the strip in words. */
export function statesText(states: States, stepS: number): string {
  const minutes = (level: number) => (states.filter((s) => s === level).length * stepS) / 60;
  const text = (m: number) => (m < 1 ? `${Math.round(m * 60)} s` : m < 120 ? `${Math.round(m)} min` : `${Math.round(m / 60)} h`);
  const runs = stretches(states).filter((s) => s.state === 2).length;
  const parts = [];
  if (minutes(2) > 0) parts.push(`firing ${text(minutes(2))}${runs > 1 ? ` in ${runs} stretches` : ""}`);
  if (minutes(1) > 0) parts.push(`pending ${text(minutes(1))}`);
  return parts.join(", ") || "not active in this range";
}
