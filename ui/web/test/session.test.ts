// The way to the login and back, the token of changes, and what roles allow.
import { beforeEach, describe, expect, it, vi } from "vitest";

const here = { pathname: "/", search: "", hash: "", origin: "http://tarn", host: "tarn" };
const stands = (url: string) => {
  const { pathname, search, hash } = new URL(url, here.origin);
  Object.assign(here, { pathname, search, hash });
};
vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {}, getElementById: () => null });
vi.stubGlobal("location", here);
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
vi.stubGlobal("history", { replaceState: (_: unknown, __: string, url: string) => stands(url), pushState: (_: unknown, __: string, url: string) => stands(url) });
const router = await import("../src/lib/router");
const session = await import("../src/lib/session");
const api = await import("../src/lib/api");
const { strength, CHARS_MIN } = await import("../src/pages/login/strength");
const { ending, tenantsOf } = await import("../src/pages/settings/access/fetch");

type Asked = { url: string; method: string; token: string | undefined };
let asked: Asked[] = [];

/** A server that answers as told, and remembers what it was asked. */
function answers(answer: (asked: Asked) => { status: number; body: unknown; headers?: Record<string, string> }) {
  asked = [];
  vi.stubGlobal("fetch", async (url: string | URL, init: RequestInit = {}) => {
    const one = { url: String(url), method: init.method ?? "GET", token: (init.headers as Record<string, string> | undefined)?.["X-Tarn-Csrf"] };
    asked.push(one);
    const { status, body, headers } = answer(one);
    return new Response(JSON.stringify(body), { status, headers });
  });
}

const me = (csrf: string | null, more: object = {}) => ({ status: 200, body: { status: "success", data: { login: true, principal: csrf ? { name: "vera", how: "password", grants: [] } : null, csrf, ...more } } });
const refused = (status: number) => ({ status, body: { status: "error", errorType: "forbidden", error: "no" } });

beforeEach(() => {
  session.me.value = null;
  router.go("/logs?q=a%20b&from=now-1h#row");
});

describe("a 401", () => {
  const login = `/login?back=${encodeURIComponent("/logs?q=a%20b&from=now-1h#row")}`;

  it("leads to the login once, with the exact address, however many there are", async () => {
    answers(() => refused(401));
    const all = await Promise.allSettled([api.send("/a"), api.send("/b"), api.send("/api/v1/logs/tail", {}, { endless: true })]);
    expect(all.map((one) => one.status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(`${here.pathname}${here.search}`).toBe(login);
  });

  it("of a password that is wrong stays where it is", async () => {
    answers(({ url }) => (url.endsWith("/me") ? me(null) : refused(401)));
    await expect(api.send("/api/v1/access/password", {}, { method: "POST", mayBeWrong: true })).rejects.toMatchObject({ status: 401 });
    expect(here.pathname).toBe("/logs");
  });

  it("at the login itself changes nothing", async () => {
    for (const page of ["/login?back=%2Fsql", "/welcome#token"]) {
      router.go(page);
      answers(() => refused(401));
      await expect(api.send("/a")).rejects.toMatchObject({ status: 401 });
      expect(`${here.pathname}${here.search}${here.hash}`).toBe(page);
    }
  });
});

describe("the token of changes", () => {
  it("is asked for once and sent with what is no GET", async () => {
    answers(({ url }) => (url.endsWith("/me") ? me("t1") : { status: 200, body: {} }));
    await api.send("/a");
    await Promise.all([api.write("POST", "/b", {}), api.write("DELETE", "/c")]);
    expect(asked.filter(({ url }) => url.endsWith("/me"))).toHaveLength(1);
    expect(asked.filter(({ url }) => !url.endsWith("/me")).map(({ url, token }) => [url, token])).toEqual([["/a", undefined], ["/b", "t1"], ["/c", "t1"]]);
  });

  it("is replaced once where it was refused", async () => {
    const tokens = ["old", "new"];
    answers(({ url, token }) => (url.endsWith("/me") ? me(tokens.shift()!) : token === "new" ? { status: 200, body: {} } : refused(403)));
    await api.write("PUT", "/b", {});
    expect(asked.map(({ token }) => token)).toEqual([undefined, "old", undefined, "new"]);
  });

  it("that is still the same is not tried again: a 403 is the answer", async () => {
    answers(({ url }) => (url.endsWith("/me") ? me("t1") : refused(403)));
    await expect(api.write("PUT", "/b", {})).rejects.toMatchObject({ status: 403, message: "no" });
    expect(asked.filter(({ url }) => url.endsWith("/b"))).toHaveLength(1);
    expect(here.pathname).toBe("/logs");
  });

  it("is sent by nobody where no login is asked for", async () => {
    answers(({ url }) => (url.endsWith("/me") ? me(null, { login: false }) : { status: 200, body: {} }));
    await api.write("POST", "/b", {});
    expect(asked.at(-1)!.token).toBeUndefined();
  });
});

describe("the way back", () => {
  const cases: [string, string][] = [
    ["/logs?q=a%20b&from=now-1h#row", "/logs?q=a%20b&from=now-1h#row"],
    ["/", "/"],
    ["", "/"],
    ["//evil.example/x", "/"],
    ["///evil.example", "/"],
    ["/\\evil.example", "/"],
    ["/\t/evil.example", "/"],
    ["/\n/evil.example", "/"],
    ["https://evil.example/", "/"],
    ["http://tarn/logs", "/"],
    ["javascript:alert(1)", "/"],
    [" /logs", "/"],
    ["data:text/html,x", "/"],
    ["/a/..//evil.example", "/"],
    ["/login?back=/login", "/"],
    ["/welcome#token", "/"],
    ["/%2F/evil.example", "/%2F/evil.example"],
  ];
  it.each(cases)("of %j is %j", (back, to) => {
    expect(session.safeBack(back)).toBe(to);
    // Whatever it is, a browser stays here.
    expect(new URL(session.safeBack(back), "http://tarn/").origin).toBe("http://tarn");
  });

  it("stays below the path where the app is served", () => {
    expect(session.safeBack("/tarn/logs", "/tarn/", "http://tarn")).toBe("/tarn/logs");
    expect(session.safeBack("/other", "/tarn/", "http://tarn")).toBe("/tarn/");
    expect(session.safeBack("/tarn/../other", "/tarn/", "http://tarn")).toBe("/tarn/");
    expect(session.safeBack("/tarn/login", "/tarn/", "http://tarn")).toBe("/tarn/");
  });
});

describe("roles", () => {
  const as = (grants: [string, string[]][], login = true) => {
    session.me.value = { login, principal: { name: "v", how: "password", grants: grants.map(([role, tenants]) => ({ role, tenants })) } } as unknown as typeof session.me.value;
  };

  it("hold where they are granted", () => {
    as([["viewer", ["default", "a"]], ["editor", ["b"]]]);
    expect(session.whyNot("viewer")).toBe("");
    expect(session.whyNot("editor")).toBe("This takes the role editor; you have the role viewer.");
    router.go("/logs?tenant=b");
    expect(session.whyNot("editor")).toBe("");
    expect(session.whyNot("admin")).toBe("This takes the role admin for tenant b; you have the role editor.");
    expect(session.whyNot("admin", "server")).toBe("This takes the role admin for all tenants; you have none there.");
    expect(session.whyNot("ingest")).not.toBe("");
  });

  it("of an admin hold the others, of one tenant not the server's", () => {
    as([["admin", ["a"]]]);
    expect(session.tenantNow()).toBe("a");
    expect([session.whyNot("ingest"), session.whyNot("editor"), session.whyNot("admin")]).toEqual(["", "", ""]);
    expect(session.whyNot("admin", "server")).not.toBe("");
    as([["admin", ["*"]]]);
    expect(session.whyNot("admin", "server")).toBe("");
  });

  it("do not matter where nobody logs in, nor before it is known", () => {
    expect(session.whyNot("admin", "server")).toBe("");
    as([["viewer", ["a"]]], false);
    expect(session.whyNot("admin")).toBe("");
  });

  it("of several tenants without the default one need a name in the address", () => {
    for (const [grants, name] of [[[["viewer", ["b", "a"]]], "a"], [[["viewer", ["a"]]], null], [[["viewer", ["a", "default"]]], null], [[["viewer", ["*"]]], null], [[["ingest", ["a", "b"]]], null]] as [[string, string[]][], string | null][]) {
      as(grants);
      expect(session.tenantToName(session.me.value)).toBe(name);
    }
  });
});

describe("words", () => {
  it("say how hard a password is to guess", () => {
    expect(strength("")).toMatchObject({ word: "", fits: false });
    expect(strength("a".repeat(CHARS_MIN - 1))).toMatchObject({ word: "1 more character", fits: false });
    for (const easy of ["aaaaaaaaaaaaaaaa", "123456789012345", "passwordpassword", "abcabcabcabcabc", "vera.vera.vera.vera"]) expect(strength(easy, "vera"), easy).toMatchObject({ word: "easy to guess", fits: true });
    expect(strength("a lake above the trees").word).toBe("strong");
    // Signs of several bytes are one character each.
    expect(strength("🏔".repeat(CHARS_MIN - 1)).fits).toBe(false);
  });

  it("of tenants and ends", () => {
    expect(tenantsOf("")).toEqual(["*"]);
    expect(tenantsOf(" a, b  a ")).toEqual(["a", "b"]);
    expect(tenantsOf("a, *")).toEqual(["*"]);
    const now = Date.parse("2026-11-22T00:00:00Z");
    expect([null, "2026-11-21T00:00:00Z", "2026-11-25T00:00:00Z", "2027-11-25T00:00:00Z"].map((end) => ending(end, now))).toEqual(["never", "over", "soon", "later"]);
  });
});
