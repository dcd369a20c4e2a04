import { describe, expect, it } from "vitest";
import { ranked, take, wantedAt } from "../src/lib/complete";
import { chosen, keyText, only, phrase, termText, terms, toggle, valueText, withTerm, without, withoutKey } from "../src/lib/terms";

describe("a search as terms", () => {
  it.each([
    ["", []],
    ["error timeout", ["error", "timeout"]],
    ['"a phrase" -x', ['"a phrase"', "-x"]],
    ['service:checkout duration>250ms key:"a b" key:/re g/', ["service:checkout", "duration>250ms", 'key:"a b"', "key:/re g/"]],
    ["NOT (a OR b) AND c", ["NOT (a OR b)", "AND", "c"]],
    ["- not a minus", ["-", "not", "a", "minus"]],
    ['key:"open quote and more', ['key:"open quote and more']],
    ["(open (deep", ["(open (deep"]],
    ["a ) b", ["a", ")", "b"]],
    ['"quoted key":v at:10:30:00 x\\ y', ['"quoted key":v', "at:10:30:00", "x\\ y"]],
    [">> 5 = :", [">> 5", "= :"].flatMap((part) => part.split(" "))],
  ])("%s", (text, wanted) => expect(terms(text).map((term) => term.text).join("␞")).toBe(wanted.join("␞")));

  it("covers every text without hanging", () => {
    const pieces = ["(", ")", '"', "/", "\\", "-", "NOT ", "a", ":", "=", ">", " ", "OR ", "😀", "\n", "*"];
    let seed = 1;
    for (let i = 0; i < 3000; i++) {
      let text = "";
      for (let n = 0; n < 12; n++) text += pieces[(seed = (seed * 48271) % 2147483647) % pieces.length];
      const all = terms(text);
      for (const term of all) expect(text.slice(term.start, term.end)).toBe(term.text);
      for (let n = 1; n < all.length; n++) expect(all[n].start).toBeGreaterThanOrEqual(all[n - 1].end);
    }
  });

  it("reads key, operator and value", () => {
    const [term] = terms('-http\\:route!="a \\"b\\"\\n"');
    expect(term).toMatchObject({ kind: "field", negated: true, key: "http:route", op: "!=", value: 'a "b"\n' });
    expect(terms("k:a*")[0].value).toBeUndefined();
    expect(terms("k:a\\*")[0].value).toBe("a*");
  });
});

describe("quoting", () => {
  it.each([
    ["service", "checkout", "service:checkout"],
    ["http.route", "/api/x", 'http.route:"/api/x"'],
    ["k", "a b", 'k:"a b"'],
    ["k", "", 'k:""'],
    ["k", 'say "hi"\\\n', 'k:"say \\"hi\\"\\\\\\n"'],
    ["k", "a*", 'k:"a*"'],
    ["k", "<b>", 'k:"<b>"'],
    ["we ird:key", "v", "we\\ ird\\:key:v"],
    ["-dash", "v", "\\-dash:v"],
    ["@resource.zone", "a", "@resource.zone:a"],
  ])("%s is %s", (key, value, wanted) => {
    expect(termText(key, value)).toBe(wanted);
    expect(chosen(wanted, key).included).toEqual(new Set([value]));
  });

  it("reads back what it writes", () => {
    for (const value of ['"', "\\", "a:b=c", "(x)", "\t\r\n", "😀 ü", "-x", "AND", "/x/", ">5", "\u0000\u202e"]) {
      expect(terms(`k:${valueText(value)}`)[0].value).toBe(value);
      expect(terms(`${keyText(value)}:v`)[0].key).toBe(value);
      expect(terms(phrase(value))[0].value).toBe(value);
    }
  });
});

describe("changing a search", () => {
  it("includes one value after the other, and no longer", () => {
    const one = toggle("timeout", "service", "a", "include");
    expect(one).toBe("timeout service:a");
    const two = toggle(one, "service", "b b", "include");
    expect(two).toBe('timeout (service:a OR service:"b b")');
    expect(toggle(two, "service", "a", "include")).toBe('timeout service:"b b"');
    expect(toggle(one, "service", "a", "include")).toBe("timeout");
  });

  it("excludes, and an exclusion takes the inclusion away", () => {
    expect(toggle("", "k", "v", "exclude")).toBe("-k:v");
    expect(toggle("k:v x", "k", "v", "exclude")).toBe("x -k:v");
    expect(toggle("x -k:v", "k", "v", "include")).toBe("x k:v");
    expect(toggle("x -k:v", "k", "v", "exclude")).toBe("x");
  });

  it("takes alternatives in parentheses", () => {
    expect(withTerm("a OR b", "k:v")).toBe("(a OR b) k:v");
    expect(toggle("a OR b", "k", "v", "include")).toBe("(a OR b) k:v");
    expect(withTerm("*", "k:v")).toBe("k:v");
    expect(withTerm("k:v", "k:v")).toBe("k:v");
  });

  it.each([
    ["a AND b", 1, "a"],
    ["a OR b OR c", 1, "a OR c"],
    ["a OR b c", 1, "a OR c"],
    ["a OR b", 0, "b"],
    ["NOT x y", 0, "y"],
    ["only", 0, ""],
  ])("%s without the term %i", (text, at, wanted) => {
    const plain = terms(text).filter((term) => term.kind !== "keyword");
    expect(without(text, plain[at])).toBe(wanted);
  });

  it("wants one value alone, and forgets a key", () => {
    expect(only("x (k:a OR k:b) -k:c", "k", "d")).toBe("x k:d");
    expect(withoutKey("x (k:a OR k:b) -k:c other:a", "k")).toBe("x other:a");
    // A group with something else in it is the reader's own.
    expect(withoutKey("(k:a OR z)", "k")).toBe("(k:a OR z)");
  });
});

describe("completion", () => {
  it.each([
    ["serv", 4, { kind: "key", prefix: "serv", from: 0 }],
    ["a -serv", 7, { kind: "key", prefix: "serv", from: 3 }],
    ["service:ch", 10, { kind: "value", key: "service", prefix: "ch", from: 8 }],
    ["a (service:ch", 13, { kind: "value", key: "service", prefix: "ch", from: 11 }],
    ['k:"a b', 6, { kind: "value", key: "k", prefix: "a b", from: 2 }],
    ['"in a phrase', 12, null],
    ["/in a regex", 3, null],
    ["k:/re", 5, null],
  ])("%s at %i", (text, caret, wanted) => {
    if (wanted === null) expect(wantedAt(text, caret)).toBeNull();
    else expect(wantedAt(text, caret)).toMatchObject(wanted);
  });

  it("puts names and values in, quoted", () => {
    expect(take("serv", wantedAt("serv", 4)!, "service")).toEqual({ text: "service:", caret: 8 });
    expect(take("k:a x", wantedAt("k:a x", 3)!, "a b")).toEqual({ text: 'k:"a b" x', caret: 7 });
    expect(take('k:"a', wantedAt('k:"a', 4)!, "a b").text).toBe('k:"a b" ');
  });

  it("ranks beginnings first", () => expect(ranked(["http.route", "route", "x"], "route")).toEqual(["route", "http.route"]));
});
