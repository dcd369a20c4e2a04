// How hard a password is to guess, in a word. Length is what counts; what repeats, runs on or is a word
// that everybody tries counts for little.

/** As many characters as the server asks for. */
export const CHARS_MIN = 12;

export interface Strength {
  /** 0 to 4, of 4. */
  score: number;
  word: string;
  fits: boolean;
}

const COMMON = /pass(word|wort)?|qwert[yz]|asdf|letmein|welcome|admin|secret|login|tarn|hello|summer|winter|monkey|dragon|master/gi;

/** Characters that a guesser does not get for nothing. */
function surprising(password: string): number {
  const text = [...password.replace(COMMON, "*")];
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const step = i === 0 ? 99 : text[i].codePointAt(0)! - text[i - 1].codePointAt(0)!;
    // `aaaa`, `1234`, `fedc`.
    count += Math.abs(step) <= 1 ? 0.25 : 1;
  }
  // The same part again, and again.
  return Math.min(count, new Set(text).size * 1.7);
}

export function strength(password: string, name = ""): Strength {
  const count = [...password].length;
  if (count === 0) return { score: 0, word: "", fits: false };
  if (count < CHARS_MIN) return { score: 0, word: `${CHARS_MIN - count} more character${CHARS_MIN - count === 1 ? "" : "s"}`, fits: false };
  const rest = name.length >= 3 ? password.toLowerCase().replaceAll(name.toLowerCase(), "*") : password;
  const worth = surprising(rest);
  if (worth < 8) return { score: 1, word: "easy to guess", fits: true };
  if (worth < 12) return { score: 2, word: "fair", fits: true };
  if (worth < 16) return { score: 3, word: "good", fits: true };
  return { score: 4, word: "strong", fits: true };
}
