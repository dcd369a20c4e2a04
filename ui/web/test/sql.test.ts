import { describe, expect, it } from "vitest";
import { csvOf, pictureOf, readCells, withRange, writeCells } from "../src/pages/sql/cells";

describe("notebooks in a URL", () => {
  it("come back as they were", () => {
    const cells = [{ language: "sql" as const, text: "SELECT '\"é\n'" }, { language: "promql" as const, text: "up" }];
    expect(readCells(writeCells(cells), "")).toEqual(cells);
  });
  it.each(["", "[", "{}", '[["x",1]]'])("begin anew from %j", (text) => expect(readCells(text, "SELECT 1")).toEqual([{ language: "sql", text: "SELECT 1" }]));
  it("know the range", () => expect(withRange("a >= $from AND a < $to", { start: 0, end: 1000 })).toBe("a >= TIMESTAMP '1970-01-01T00:00:00.000Z' AND a < TIMESTAMP '1970-01-01T00:00:01.000Z'"));
});

describe("pictures of rows", () => {
  const rows = [["2026-01-01T00:00:00Z", "a", 1], ["2026-01-01T00:01:00Z", "a", 2], ["2026-01-01T00:01:00Z", "b", 5]];
  it("have a series per text", () => {
    const picture = pictureOf({ columns: ["t", "s", "n"], types: ["timestamp", "text", "bigint"], rows });
    expect(picture?.data.series.map((s) => [s.labels.s, s.values])).toEqual([["a", [1, 2]], ["b", [null, 5]]]);
  });
  it("need a time and a number", () => expect(pictureOf({ columns: ["s", "n"], types: ["text", "bigint"], rows: [["a", 1], ["b", 2]] })).toBeNull());
});

describe("CSV", () => {
  it("quotes, and disarms formulas", () => expect(csvOf({ columns: ["a", "b"], types: [], rows: [['x"y', "=cmd()"], ["1,2", -3]] })).toBe('a,b\r\n"x""y",\'=cmd()\r\n"1,2",-3'));
});
