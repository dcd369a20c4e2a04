// Comparing two traces, and summing up one.
import { describe, expect, it } from "vitest";
import { changeOf, compareTraces, summary } from "../src/pages/trace/compare";
import { calls, groups, sortGroups } from "../src/pages/trace/groups";
import { traceOf } from "./traces";

const A = traceOf(["0 a 0 100", "1 b 0 10", "1 b 20 10", "1 c 40 20 e", "2 d 41 5"]);
const B = traceOf(["0 a 0 300", "1 b 0 200", "1 c 40 20", "2 d 41 5 e", "1 e 60 5"], { duration_ns: 300 });

describe("two traces", () => {
  const list = compareTraces(A, B);

  it("become one tree of operations", () => {
    expect(list.map(({ service, depth, a, b }) => [service, depth, a.spans, b.spans])).toEqual([["a", 0, 1, 1], ["b", 1, 2, 1], ["c", 1, 1, 1], ["d", 2, 1, 1], ["e", 1, 0, 1]]);
    expect(list[1].a.totalNs).toBe(20);
  });

  it("differ in words", () => {
    expect(list.map((node) => changeOf(node, 300))).toEqual(["slower", "slower", "mended", "failed", "added"]);
    expect(compareTraces(A, A).every((node) => changeOf(node, 100) === "same")).toBe(true);
    const said = summary(list, A, B);
    expect([said.byNs, said.added, said.gone, said.failed.map((n) => n.service)]).toEqual([200, 1, 0, ["d"]]);
    expect(said.most.map(({ node }) => node.service)).toEqual(["a", "b"]);
    expect(summary(compareTraces(B, A), B, A).byNs).toBe(-200);
  });
});

describe("one trace", () => {
  it("is summed up by operation and by call", () => {
    const list = sortGroups(groups(A), "spans");
    expect(list[0]).toMatchObject({ service: "b", spans: 2, totalNs: 20, maxNs: 10, slowest: 1 });
    expect(calls(A)).toEqual([
      { from: "a", to: "b", calls: 2, errors: 0, totalNs: 20 },
      { from: "a", to: "c", calls: 1, errors: 1, totalNs: 20 },
      { from: "c", to: "d", calls: 1, errors: 0, totalNs: 5 },
    ]);
  });
});
