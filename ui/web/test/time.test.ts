import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
const time = await import("../src/lib/time");
const units = await import("../src/lib/units");
const router = await import("../src/lib/router");
const { assignColours } = await import("../src/lib/palette");

const NOW = Date.UTC(2026, 10, 21, 12);

describe("times", () => {
  it.each([
    ["now", 0],
    ["now-1h30m", -5_400_000],
    ["now - 2d", -172_800_000],
    ["now+5s", 5_000],
  ])("%s", (text, by) => expect(time.parseTime(text, NOW)).toBe(NOW + by));

  it.each([
    ["2026-11-21T12:00:00Z", NOW],
    ["2026-11-21 13:00:00.5+01:00", NOW + 500],
    ["2026-11-21", Date.UTC(2026, 10, 21)],
    ["1795262400", 1795262400000],
    ["1795262400000", 1795262400000],
    ["1795262400000000", 1795262400000],
    ["1795262400000000000", 1795262400000],
  ])("%s", (text, ms) => {
    time.zone.value = "UTC";
    expect(time.parseTime(text, NOW)).toBe(ms);
  });

  it("reads what has no zone in the reader's", () => {
    time.zone.value = "Europe/Berlin";
    expect(time.parseTime("2026-11-21 13:00", NOW)).toBe(NOW);
    expect(time.parseTime("2026-07-01 14:00", NOW)).toBe(Date.UTC(2026, 6, 1, 12));
    expect(time.formatTime(NOW)).toBe("2026-11-21 13:00:00");
    time.zone.value = "UTC";
  });

  it.each(["", "now-", "now-1x", "yesterday", "12:00", "now-1h2", "2026-13-45 99:00 oops"])("refuses %j", (text) => expect(time.parseTime(text, NOW)).toBeNull());

  it("chooses steps that fit", () => {
    expect(time.stepFor({ start: 0, end: 3_600_000 }, 240)).toBe(15);
    expect(time.stepFor({ start: 0, end: 30 * 86_400_000 }, 500)).toBe(7200);
  });
});

describe("numbers", () => {
  it.each([
    [0, "short", "0"],
    [1234567, "short", "1.23 M"],
    [3 * 1024 * 1024, "bytes", "3 MiB"],
    [0.0384, "s", "38.4 ms"],
    [1.84, "s", "1.84 s"],
    [0.038, "ratio", "3.8 %"],
    [0.00001, "ratio", "< 0.01 %"],
    [0.99995, "ratio", "99.995 %"],
    [225, "/s", "225 /s"],
    [-14, "percent", "−14 %"],
    [Number.NaN, "short", "–"],
  ] as const)("%d %s", (value, unit, text) => expect(units.format(value, unit)).toBe(text));

  it.each([
    ["http_request_duration_seconds", false, "s"],
    ["process_cpu_seconds_total", true, "ratio"],
    ["node_network_receive_bytes_total", true, "bytes/s"],
    ["http_requests_total", true, "/s"],
    ["system_cpu_utilization", false, "ratio"],
  ] as const)("%s", (name, rate, unit) => expect(units.unitOf(name, rate)).toBe(unit));
});

describe("addresses", () => {
  it("matches named parts", () => {
    expect(router.match("/service/:name", "/service/a%2Fb")).toEqual({ name: "a/b" });
    expect(router.match("/service/:name", "/service/a/b")).toBeNull();
    expect(router.match("/", "/")).toEqual({});
    expect(router.match("/service/:name", "/service/%zz")).toBeNull();
  });
});

describe("colours", () => {
  it("stay when others come and go in the page", () => {
    const names = ["checkout", "payment", "cart", "frontend", "email"];
    const all = assignColours(names);
    expect(new Set(all.values()).size).toBe(names.length);
    expect(assignColours([...names].reverse())).toEqual(all);
  });
});
