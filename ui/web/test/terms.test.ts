// Terms of the search language.
import { describe, expect, it } from "vitest";
import { splitTerms, term, withTerm, withoutKey } from "../src/lib/terms";

describe("terms", () => {
  it.each([
    ["service", "cart", "service:cart"],
    ["name", "GET /checkout", 'name:"GET /checkout"'],
    ["http.status_code", 500, "http.status_code:500"],
    ["a", 'x"y\\z', 'a:"x\\"y\\\\z"'],
    ["a", "", 'a:""'],
    ["a", "k8s*", 'a:"k8s*"'],
    ["odd key", "1", "odd\\ key:1"],
  ])("writes %s of %s", (key, value, text) => expect(term(key, value)).toBe(text));

  it("splits outside quotes and parentheses", () => {
    expect(splitTerms('a:"b c" (d OR e) -f  g>5')).toEqual(['a:"b c"', "(d OR e)", "-f", "g>5"]);
  });

  it("adds, toggles and removes", () => {
    expect(withTerm("a:b", "c:d")).toBe("a:b c:d");
    expect(withTerm("a:b c:d", "c:d")).toBe("a:b c:d");
    expect(withTerm("a:b c:d", "c:d", true)).toBe("a:b");
    expect(withoutKey("service:x duration>=5ms duration<1s durations:3", "duration")).toBe("service:x durations:3");
  });
});
