// Which of the eight colours a name has. Names are taken in sorted order; each gets the slot of its
// hash, or the next free one: filters and other readers do not change colours.

export function assignColours(names: readonly string[], slots = 8): Map<string, number> {
  const assigned = new Map<string, number>();
  let taken = new Set<number>();
  for (const name of [...new Set(names)].sort()) {
    if (taken.size === slots) taken = new Set();
    let slot = hash(name) % slots;
    while (taken.has(slot)) slot = (slot + 1) % slots;
    taken.add(slot);
    assigned.set(name, slot);
  }
  return assigned;
}

/** FNV-1a over UTF-16 units. */
export function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

export const colourToken = (slot: number) => `--c${(slot % 8) + 1}`;
