// What a page calls itself where its address does not say it; empty: as the address does.
import { signal } from "@preact/signals";

export const heading = signal("");
