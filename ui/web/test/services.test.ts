// Colours of services, the map's neighbourhoods, operations in order.
import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {}, removeItem: () => {} });
const { serviceHues } = await import("../src/lib/services");
const map = await import("../src/pages/map/model");
const service = await import("../src/pages/service/model");
const traces = await import("../src/pages/traces/model");
const { durationText } = await import("../src/pages/traces/duration");

const NAMES = "cart catalog checkout email frontend payment shipping ads currency recommend".split(" ");

describe("colours of services", () => {
  it("do not depend on what is shown", () => {
    const hues = serviceHues(NAMES, []);
    for (const shown of [["cart"], [...NAMES].reverse(), ["a database", "0", "cart"]]) for (const name of NAMES) expect(serviceHues(NAMES, shown)(name)).toEqual(hues(name));
  });

  it("are plain for the first eight, striped for the next", () => {
    const hues = NAMES.map(serviceHues(NAMES, []));
    expect(hues.filter((hue) => hue.round === 0)).toHaveLength(8);
    expect(hues.filter((hue) => hue.round === 1 && hue.css.includes("repeating"))).toHaveLength(2);
    expect(new Set(hues.map((hue) => hue.css)).size).toBe(NAMES.length);
  });

  it("of a service that nobody knows are grey", () => expect(serviceHues([], [])("x").token).toBe("--c-ctx"));
});

const edge = (client: string, server: string, per_second = 1, errors_ratio = 0) => ({ client, server, connection_type: "", per_second, errors_ratio, p50_ns: 1, p99_ns: 2 });
const node = (name: string) => ({ name, kind: "service", spans_per_second: 1, errors_ratio: 0, p50_ns: 1, p99_ns: 2 });

describe("the map", () => {
  const whole = { nodes: [..."abcdx"].map(node), edges: [edge("a", "b"), edge("b", "c"), edge("c", "d")] };

  it.each([["b", 1, "abc"], ["a", 2, "abc"], ["x", 3, "x"]])("near %s within %i is %s", (name, steps, names) => {
    expect(map.near(whole, name, steps).nodes.map((one) => one.name).join("")).toBe(names);
  });

  it("sums up two kinds of connection", () => {
    expect(map.pairs([edge("a", "b", 3, 0.1), edge("a", "b", 1, 0.5), edge("b", "a")])).toMatchObject([{ per_second: 4, errors_ratio: 0.2 }, { client: "b" }]);
  });

  it.each([[null, "none"], [0, "ok"], [0.0099, "ok"], [0.01, "warn"], [0.05, "err"]])("%s errors are %s", (ratio, state) => expect(map.healthOf(ratio)).toBe(state));
});

describe("a service", () => {
  const operation = (name: string, spans_per_second: number, p50_ns: number, errors_ratio: number | null) => ({ name, kind: "server", spans_per_second, p50_ns, p99_ns: p50_ns * 2, errors_ratio });
  const list = [operation("a", 10, 1, 0), operation("b", 1, 100, null), operation("c", 2, 2, 0.5)];

  it.each([["time", "bac"], ["spans_per_second", "acb"], ["errors_ratio", "cab"], ["p99_ns", "bca"]] as const)("sorts operations by %s", (by, names) => {
    expect(service.sortOperations(list, by).map((one) => one.name).join("")).toBe(names);
  });

  it("has no ratio where there was nothing", () => expect(service.errorRatios([10, 0, null], [1, null, null])).toEqual([0.1, null, null]));
});

describe("the list of traces", () => {
  const found = (trace_id: string, duration_ns: number, error_count: number) => ({ trace_id, duration_ns, error_count, start_unix_nano: "0", span_count: 1, services: [], matched_count: 1 });
  const list = [found("a", 5, 1), found("b", 9, 0), found("c", 5, 3)];

  it.each([["newest", "abc"], ["slowest", "bac"], ["errors", "cab"]] as const)("sorts by %s, equal ones newest first", (by, ids) => {
    expect(traces.sorted(list, by).map((one) => one.trace_id).join("")).toBe(ids);
  });

  it.each([[900, "900ns"], [1500, "1.5us"], [2_000_000, "2ms"], [1_234_000_000, "1.23s"]])("%i ns in a search is %s", (ns, text) => expect(durationText(ns)).toBe(text));
});
