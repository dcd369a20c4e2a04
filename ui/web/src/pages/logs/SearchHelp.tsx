// How a search is written, by example.
const EXAMPLES: readonly (readonly [string, string])[] = [
  ["timeout", "the word, in any case, as a whole word of the body"],
  ["conn*", "words that begin so"],
  ['"connection reset"', "exactly this text"],
  ["/time(d )?out/", "what a regular expression matches"],
  ["service:checkout", "a field that is exactly this; key:a* begins so, key:* is there at all"],
  ["level>=warn  duration>250ms", "compared as levels, numbers, durations, sizes"],
  ["-level:debug", "without these"],
  ["refused OR (timeout retry)", "either; side by side means both"],
];

export function SearchHelp() {
  return (
    <dl class="searchhelp">
      {EXAMPLES.map(([text, meaning]) => (
        <div key={text}>
          <dt class="mono">{text}</dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  );
}
