import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
const { RowWindow } = await import("../src/pages/logs/window");
const { RowStore } = await import("../src/pages/logs/store");
const { LineReader, TailBuffer, pauseMs } = await import("../src/pages/logs/tail");
const { newerThan, timeAt, rowId, idTime, levelOf } = await import("../src/pages/logs/model");
const { cut, oneLine, prettyJson, sharedPart, unitAt, visible } = await import("../src/lib/text");
type Ask = import("../src/pages/logs/window").Ask;
type LogRow = import("../src/pages/logs/model").LogRow;
type Question = import("../src/pages/logs/model").Question;

const START = 1_700_000_000_000;
const row = (ms: number, body = `row ${ms}`): LogRow => ({ timestamp: "", timestamp_unix_nano: `${START + ms}000000`, body });

/** A server with one row per ms; answers pages as the real one does. */
function server(total: number) {
  const all = Array.from({ length: total }, (_, i) => row(total - 1 - i));
  const ms = (one: LogRow) => Number(one.timestamp_unix_nano.slice(0, -6));
  return (ask: Ask, limit: number) => {
    const found = all.filter((one) => ms(one) >= ask.start && ms(one) < ask.end);
    if (ask.direction === "forward") found.reverse();
    const from = Number(ask.cursor ?? 0);
    const rows = found.slice(from, from + limit);
    if (ask.direction === "forward") rows.reverse();
    return { rows, next: from + limit < found.length ? String(from + limit) : null };
  };
}

const seen = (window: InstanceType<typeof RowWindow>) => Array.from({ length: window.held }, (_, i) => window.at(window.first + i)!.body);
const bodies = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => `row ${START > 0 ? from - i : 0}`);

describe("the window of rows", () => {
  const whole = { start: START, end: START + 1000 };

  it("walks down to the end and up again without a gap, and lets go of the other end", () => {
    const answer = server(1000);
    const window = new RowWindow(250);
    window.begin(0, { direction: "backward", ...whole }, null);
    for (let ask = window.wants("older"); ask; ask = window.wants("older")) {
      expect(window.add("older", ask, answer(ask, 100))).toBe(0);
      expect(window.held).toBeLessThanOrEqual(250);
    }
    expect(window.first).toBe(800);
    expect(window.total(5)).toBe(1000);
    expect(seen(window)).toEqual(bodies(199, 0));
    for (let ask = window.wants("newer"); ask; ask = window.wants("newer")) expect(window.add("newer", ask, answer(ask, 100))).toBe(0);
    expect(window.first).toBe(0);
    expect(seen(window)).toEqual(bodies(999, 800));
  });

  it("begins in the middle; places become exact where the newest row is reached", () => {
    const answer = server(1000);
    const window = new RowWindow(10_000);
    // The histogram said 480, and there are 499.
    window.begin(480, { direction: "backward", start: START, end: START + 501 }, { direction: "forward", start: START + 501, end: START + 1000 });
    let ask = window.wants("older")!;
    window.add("older", ask, answer(ask, 100));
    expect(window.at(480)?.body).toBe("row 500");
    let moved = 0;
    while ((ask = window.wants("newer")!)) moved += window.add("newer", ask, answer(ask, 100));
    expect(moved).toBe(19);
    expect(window.at(499)?.body).toBe("row 500");
    expect(window.at(0)?.body).toBe("row 999");
    while ((ask = window.wants("older")!)) window.add("older", ask, answer(ask, 100));
    expect(window.total(0)).toBe(1000);
    expect(seen(window)).toEqual(bodies(999, 0));
  });

  it("counts back from the end where that is reached first", () => {
    const window = new RowWindow(1000);
    const older = { direction: "backward" as const, start: START, end: START + 3 };
    window.begin(995, older, { ...older, direction: "forward" });
    expect(window.add("older", older, { rows: [row(2), row(1)], next: null }, 1000)).toBe(3);
    expect(window.total(1000)).toBe(1000);
    expect(window.isWhole).toBe(false);
  });

  it("says by how much places moved when a page that is asked for again has grown", () => {
    const window = new RowWindow(2);
    const ask = { direction: "backward" as const, ...whole };
    window.begin(0, ask, null);
    window.add("older", ask, { rows: [row(9), row(8)], next: "a" });
    window.add("older", { ...ask, cursor: "a" }, { rows: [row(7), row(6)], next: null });
    expect(window.first).toBe(2);
    expect(window.add("newer", window.wants("newer")!, { rows: [row(10), row(9), row(8)], next: "a" })).toBe(1);
    expect(window.at(1)?.body).toBe("row 9");
  });

  it("puts rows of a live tail on top and forgets them when it must", () => {
    const answer = server(300);
    const window = new RowWindow(250);
    const ask = { direction: "backward" as const, start: START, end: START + 300 };
    window.begin(0, ask, null);
    window.add("older", ask, answer(ask, 100));
    expect(window.prepend([row(1001), row(1000)])).toBe(true);
    expect(window.at(0)?.body).toBe("row 1001");
    let next = window.wants("older")!;
    expect(window.add("older", next, answer(next, 100))).toBe(0);
    next = window.wants("older")!;
    expect(window.add("older", next, answer(next, 100))).toBe(-2);
    expect(window.prepend([row(2000)])).toBe(false);
  });

  it("holds few of very long rows", () => {
    const window = new RowWindow(1000, 10_000);
    const ask = { direction: "backward" as const, ...whole };
    window.begin(0, ask, null);
    for (let i = 0; i < 5; i++) window.add("older", ask, { rows: [row(i, "x".repeat(6000))], next: "n" });
    expect(window.held).toBe(1);
  });
});

describe("the store", () => {
  const question: Question = { q: "", start: START, end: START + 5000 };
  const settle = () => new Promise((done) => setTimeout(done, 5));

  it("loads ahead of what is in sight, and jumps", async () => {
    const answer = server(5000);
    const asked: Ask[] = [];
    const store = new RowStore(async (_, ask, limit) => {
      asked.push(ask);
      return { ...answer(ask, limit), warnings: [] };
    });
    store.start(question, null);
    store.near(0, 30);
    await settle();
    expect(store.held).toBe(1200);
    expect(store.at(1199)?.body).toBe("row 3800");
    store.setHistogram({ start_ms: START, step_ms: 1000, levels: ["info"], counts: [[1000, 1000, 1000, 1000, 1000]], total: 5000 });
    expect(store.count).toBe(5000);
    store.near(4000, 4030);
    await new Promise((done) => setTimeout(done, 120));
    expect(store.at(4000)?.body).toMatch(/^row (99\d|100\d)$/);
    expect(store.at(3999)).toBeDefined();
    store.stop();
  });

  it("keeps the old rows until the new ones are there, and where they cannot be had", async () => {
    const { ApiError } = await import("../src/lib/api");
    const answer = server(100);
    let isDown = false;
    const store = new RowStore(async (_, ask, limit) => {
      if (isDown) throw new ApiError(0, "network", "gone");
      return { ...answer(ask, limit), warnings: [] };
    });
    store.start(question, null);
    await settle();
    expect([store.held, store.isFresh, store.stale.value]).toEqual([100, true, false]);
    isDown = true;
    store.start({ ...question, end: START + 50 }, null);
    expect([store.held, store.stale.value]).toEqual([100, true]);
    await settle();
    expect([store.held, store.error.value?.status]).toEqual([100, 0]);
    isDown = false;
    store.start({ ...question, end: START + 50 }, null);
    await settle();
    expect([store.held, store.count, store.isWhole, store.error.value]).toEqual([50, 50, true, null]);
  });

  it("asks for fewer rows where the server refuses, and stops at an error", async () => {
    const { ApiError } = await import("../src/lib/api");
    const limits: number[] = [];
    const store = new RowStore(async (_, __, limit) => {
      limits.push(limit);
      throw new ApiError(422, "execution", "too much");
    });
    store.start(question, null);
    await settle();
    expect(limits).toEqual([200, 25, 10]);
    expect(store.error.value?.message).toBe("too much");
  });
});

describe("live tail", () => {
  it("reads lines however the stream is cut, and leaves out what is none", () => {
    const text = `{"row":{"body":"ü"}}\n\nnot json\n[1]\n{"skipped":3}\n{"beat":1}\n{"row"`;
    for (let at = 0; at < text.length; at++) {
      const reader = new LineReader();
      expect([...reader.push(text.slice(0, at)), ...reader.push(text.slice(at))]).toEqual([{ row: { body: "ü" } }, { skipped: 3 }, { beat: 1 }]);
    }
  });

  it("keeps the newest and counts what it dropped", () => {
    const buffer = new TailBuffer(10);
    for (let i = 0; i < 35; i++) buffer.add(row(i));
    const taken = buffer.take();
    expect(taken.map((one) => one.body)).toEqual(bodies(34, 25));
    expect(buffer.skipped).toBe(25);
    expect(buffer.count).toBe(0);
    const large = new TailBuffer(10, 5000);
    for (let i = 0; i < 5; i++) large.add(row(i, "x".repeat(2000)));
    expect(large.take().length).toBe(2);
  });

  it("waits longer each time, not for ever", () => expect([0, 1, 2, 20].map(pauseMs)).toEqual([500, 1000, 2000, 30_000]));
});

describe("places and times", () => {
  const histogram = { start_ms: START, step_ms: 1000, levels: ["a", "b"], counts: [[5, 0, 10], [5, 0, 0]], total: 20 };

  it("finds one by the other", () => {
    expect(newerThan(histogram, START + 2000)).toBe(10);
    expect(newerThan(histogram, START + 1500)).toBe(10);
    expect(newerThan(histogram, START)).toBe(20);
    expect(timeAt(histogram, 0)).toBe(START + 3000);
    expect(timeAt(histogram, 5)).toBe(START + 2500);
    expect(timeAt(histogram, 10)).toBe(START + 1000);
    expect(timeAt(histogram, 99)).toBe(START);
  });

  it("names rows", () => {
    expect(idTime(rowId(row(5)))).toBe(START + 5);
    expect(rowId(row(5, "a"))).not.toBe(rowId(row(5, "b")));
    expect(idTime("nonsense")).toBeNull();
    expect([0, 1, 4, 9, 13, 17, 21, 24, 25].map((severity_number) => levelOf({ ...row(1), severity_number }))).toEqual(["unset", "trace", "trace", "info", "warn", "error", "fatal", "fatal", "unset"]);
  });
});

describe("text from outside", () => {
  it("shows what hides", () => {
    expect(visible("a\u0000b\u202ec\u200bd\ud800e")).toBe("a␀b‹U+202E›c‹U+200B›d\ufffde");
    expect(visible("\u001b[31mred\u001b[0m 👩‍👩‍👧 مرحبا")).toBe("red 👩‍👩‍👧 مرحبا");
    expect(oneLine("a\r\n\tb\n")).toBe("a ↵ b");
    expect(oneLine("x".repeat(262_144)).length).toBe(601);
    expect(cut("ab😀", 3)).toBe("ab");
  });

  it("breaks JSON into lines and changes nothing else", () => {
    expect(prettyJson('{"n":12345678901234567890,"a":[1,{"b":"x,{y}"}],"e":{},"f":[]}')).toBe('{\n  "n": 12345678901234567890,\n  "a": [\n    1,\n    {\n      "b": "x,{y}"\n    }\n  ],\n  "e": {},\n  "f": []\n}');
    expect(prettyJson("{no json}")).toBeNull();
    expect(prettyJson("12")).toBeNull();
  });

  it.each([
    ["retrying upstream payment attempt=8316", "retrying upstream payment"],
    ["GET /api/cart/17 200", "GET"],
    ["a1b2 c3", "a1b2 c3"],
    ["9 connection pool exhausted\nwaiters=3", "connection pool exhausted"],
  ])("finds what records like %j share", (text, part) => expect(sharedPart(text)).toBe(part.length < 4 ? text : part));

  it("finds the character of a byte", () => expect([0, 2, 3, 7].map((byte) => unitAt("ü😀x", byte))).toEqual([0, 1, 3, 4]));
});
