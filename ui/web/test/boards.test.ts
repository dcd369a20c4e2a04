// Boards: what stands in the place of variables, tables, layouts, texts.
import { describe, expect, it } from "vitest";
import { addPanel, emptyBoard, nameOf, NEW_PANEL, removeItem } from "../src/pages/dashboards/change";
import { moved, sectionsOf } from "../src/pages/dashboards/layout";
import { captured, chosenOf, sorted } from "../src/pages/dashboards/options";
import { cellsOf, histogramOf } from "../src/panels/heat";
import { formatted, mapped, parts, shade, stateOf } from "../src/panels/format";
import { inline, markdown, safeUrl, textOfHtml } from "../src/panels/markdown";
import type { Board, Item, Tree, Variable } from "../src/panels/model";
import { transform, type Frame } from "../src/panels/transform";
import { expand, join, split, type Chosen } from "../src/panels/variables";

const env = new Map<string, Chosen>([
  ["one", { values: ['a"b\\c'], multi: false }],
  ["many", { values: ["a.b", "c"], multi: true }],
  ["single", { values: ["a.b"], multi: true }],
  ["all", { values: ["a", "b"], all: ".*", multi: true }],
  ["step", { values: ["$__auto_interval"], multi: false }],
  ["loop", { values: ["$loop"], multi: false }],
]);
const around = { env, span: { start: 1_000_000, end: 4_600_000 }, stepS: 15 };

describe("variables", () => {
  it.each([
    ["rate(x[$__rate_interval]) / $__range_s", "rate(x[1m]) / 3600"],
    ["x[$__interval:${__interval_ms}]", "x[15s:15000]"],
    ['x{a="$one"}', 'x{a="a\\"b\\\\c"}'],
    ['x{a=~"$many", b=~"[[single]]", c=~"${all}"}', 'x{a=~"(a\\\\.b|c)", b=~"a\\\\.b", c=~".*"}'],
    ["${many:csv} ${many:pipe} ${many:json} ${many:regex}", 'a.b,c a.b|c ["a.b","c"] (a\\.b|c)'],
    ["x[$step]", "x[15s]"],
    ["$unknown ${also} $1 ^a$", "$unknown ${also} $1 ^a$"],
  ])("%s", (text, wanted) => expect(expand(text, around)).toBe(wanted));
  it("ends where a value names itself", () => expect(expand("$loop", around)).toBe("$loop"));
  it("rates have room for two samples at any step", () => {
    expect(expand("$__rate_interval", { ...around, stepS: 300 })).toBe("315s");
  });
  it("several values come back from the URL", () => {
    for (const values of [["a"], ["a,b", "c%2C"], [""]]) expect(split(join(values))).toEqual(values);
  });
  it("chooses what the URL, the board or the list says", () => {
    const variable = (spec: Partial<Variable["spec"]>): Variable => ({ kind: "ListVariable", spec: { name: "v", ...spec } });
    const options = [{ value: "a", label: "a" }, { value: "b", label: "b" }];
    expect(chosenOf(variable({}), options, [])).toEqual({ values: ["a"], multi: false });
    expect(chosenOf(variable({ allowAllValue: true, allowMultiple: true }), options, ["$__all"])).toEqual({ values: ["a", "b"], all: ".*", multi: true });
    expect(chosenOf(variable({ allowAllValue: true, capturingRegexp: "x" }), options, [])).toEqual({ values: ["a", "b"], all: undefined, multi: true });
    expect(chosenOf(variable({}), options, ["b", "a"]).values).toEqual(["b"]);
  });
  it("catches parts of values", () => {
    expect(captured(["node_a", "node_b", "x"], "/node_(.*)/").map((one) => one.value)).toEqual(["a", "b"]);
    expect(captured(["a1", "b"], "/[a-z]\\d/").map((one) => one.value)).toEqual(["a1"]);
    expect(captured(["x"], "(").map((one) => one.value)).toEqual(["x"]);
    expect(sorted([{ value: "10", label: "10" }, { value: "9", label: "9" }], "numerical-asc").map((one) => one.value)).toEqual(["9", "10"]);
  });
});

describe("numbers", () => {
  it.each([
    [0.0142, "percent-decimal", undefined, "1.42 %"], [0.387, "seconds", undefined, "387 ms"], [4812, "requests/sec", undefined, "4.81 k/s"],
    [1536, "bytes", undefined, "1.5 KiB"], [1_500_000, "decbytes/sec", undefined, "1.5 MB/s"], [12, "parsecs", undefined, "12 parsecs"],
    [3.14159, "decimal", 2, "3.14"], [NaN, "bytes", undefined, "–"],
  ])("%d in %s", (value, unit, decimals, text) => expect(formatted(value, { unit, decimals })).toBe(text));
  it("parts number and unit", () => expect(parts(0.387, { unit: "seconds" })).toEqual(["387", "ms"]));
  it("reads states of colours", () => {
    expect(["#c4162a", "#ff9830", "#37872d", "#3274d9", "#808080", "red", undefined].map(shade)).toEqual(["--err", "--warn", "--ok", "--info", "--fg", undefined, undefined]);
    const thresholds = { defaultColor: "#37872d", steps: [{ value: 0.8, color: "#c4162a" }] };
    expect([0.5, 0.8].map((value) => stateOf(value, thresholds))).toEqual(["--ok", "--err"]);
  });
  it("finds texts for values", () => {
    const mappings: Tree[] = [{ kind: "Value", spec: { value: "1", result: { value: "up" } } }, { kind: "Range", spec: { from: 2, to: 3, result: { value: "slow" } } }, { kind: "Misc", spec: { value: "null", result: { value: "none" } } }];
    expect([1, 2.5, null, 9].map((value) => mapped(value, mappings)?.text)).toEqual(["up", "slow", "none", undefined]);
  });
});

describe("tables", () => {
  const a: Frame = { ref: "A", columns: ["job", "Value #A"], rows: [{ job: "x", "Value #A": 1 }, { job: "y", "Value #A": 2 }] };
  const b: Frame = { ref: "B", columns: ["job", "Value #B"], rows: [{ job: "y", "Value #B": 20 }] };
  const step = (kind: string, spec = {}) => ({ kind, spec });
  it("merges what agrees", () => {
    expect(transform([a, b], [step("Merge")])).toEqual([{ ref: "A", columns: ["job", "Value #A", "Value #B"], rows: [{ job: "x", "Value #A": 1 }, { job: "y", "Value #A": 2, "Value #B": 20 }] }]);
  });
  it("joins, inner and outer", () => {
    expect(transform([a, b], [step("JoinByField", { byField: "job", mode: "inner" })])[0].rows).toEqual([{ job: "y", "Value #A": 2, "Value #B": 20 }]);
    expect(transform([a, b], [step("JoinByField", { byField: "job" })])[0].rows).toHaveLength(2);
  });
  it("renames, hides, orders", () => {
    const [frame] = transform([a], [step("Organize", { excludeByName: { gone: true }, indexByName: { "Value #A": 0, job: 1 }, renameByName: { "Value #A": "n" } }), step("RenameByRegex", { regex: "(.)ob", renamePattern: "$1OB" })]);
    expect([frame.columns, frame.rows[0]]).toEqual([["n", "jOB"], { n: 1, jOB: "x" }]);
  });
  it("groups, calculates, sorts, filters, cuts", () => {
    const rows: Frame = { ref: "A", columns: ["k", "v"], rows: [{ k: "a", v: 1 }, { k: "b", v: 5 }, { k: "a", v: 3 }] };
    expect(transform([rows], [step("GroupBy", { fields: { k: { operation: "groupby" }, v: { operation: "aggregate", aggregations: ["sum", "count"] } } })])[0].rows).toEqual([{ k: "a", "v (sum)": 4, "v (count)": 2 }, { k: "b", "v (sum)": 5, "v (count)": 1 }]);
    expect(transform([rows], [step("CalculateField", { mode: "binary", alias: "d", binary: { left: "v", operator: "*", right: "2" } }), step("SortBy", { sort: [{ field: "d", desc: true }] }), step("Limit", { limitField: 1 })])[0].rows).toEqual([{ k: "b", v: 5, d: 10 }]);
    expect(transform([rows], [step("FilterByValue", { type: "exclude", match: "any", filters: [{ fieldName: "v", config: { id: "greater", options: { value: 2 } } }] })])[0].rows).toEqual([{ k: "a", v: 1 }]);
    expect(transform([rows], [step("Reduce", { reducers: ["max", "lastNotNull"] })])[0]).toEqual({ ref: "A", columns: ["Field", "Max", "Last *"], rows: [{ Field: "v", Max: 5, "Last *": 3 }] });
    expect(transform([rows], [step("FilterFieldsByName", { include: { names: ["v"] } })])[0].columns).toEqual(["v"]);
    expect(transform([rows], [step("ConvertFieldType", { conversions: [{ targetField: "v", destinationType: "string" }] })])[0].rows[0].v).toBe("1");
  });
  it("leaves tables as they are where a step makes no sense", () => {
    for (const kind of ["Merge", "JoinByField", "Organize", "GroupBy", "CalculateField", "SortBy", "FilterByValue", "RenameByRegex", "FilterFieldsByName", "Later"]) expect(transform([a], [step(kind, { regex: "(", fields: 3 })])[0].rows).toHaveLength(2);
    expect(transform([], [step("Merge"), step("Reduce")])[0]?.rows ?? []).toEqual([]);
  });
});

describe("heatmaps", () => {
  const bucket = (le: string, ...values: number[]) => ({ name: le, labels: { le }, values, query: 0 });
  it("are differences of buckets", () => {
    expect(cellsOf([bucket("+Inf", 5, 5), bucket("1", 2, 0), bucket("2", 4, 3)], 2)).toEqual({ bounds: [1, 2, Infinity], counts: [[2, 2, 1], [0, 3, 2]] });
    expect(cellsOf([bucket("1", 1)], 1)).toBeNull();
  });
  it("count values into round buckets", () => expect(histogramOf([0, 1, 2, 9.5], 5)).toEqual({ from: 0, width: 2, counts: [2, 1, 0, 0, 1] }));
});

describe("texts", () => {
  it("never become more than nodes", () => {
    expect(markdown("<script>alert(1)</script>")).toEqual([{ kind: "text", text: ["<script>alert(1)</script>"] }]);
    expect(inline("[x](javascript:alert(1)) [y](data:text/html,1) [z](//evil)")).not.toContainEqual(expect.objectContaining({ kind: "link" }));
    expect(["https://a.b/", "mailto:a@b", "http://x/", "vbscript:x", "/relative", " javascript:x", "java\nscript:x"].map(safeUrl)).toEqual(["https://a.b/", "mailto:a@b", "http://x/", undefined, undefined, undefined, undefined]);
    expect(textOfHtml("<p>a &amp; b</p><script>x</script><img src=x onerror=y>c<style>d")).toBe("a & b\nc");
  });
  it("have headings, lists, tables, code", () => {
    expect(markdown("# T\n- a\n- **b**\n\n| x | y |\n|---|---|\n| 1 | `2` |\n\n```\n<b>\n```\n> q").map((block) => block.kind)).toEqual(["heading", "list", "table", "code", "quote"]);
  });
  it("end, whatever they are", () => {
    for (const text of ["*".repeat(20_000), "[".repeat(20_000), "```", "|\n|-|-|", "_".repeat(20_000), "`".repeat(9_999)]) expect(Array.isArray(markdown(text))).toBe(true);
  });
});

describe("layout", () => {
  const item = (x: number, y: number, width = 12, height = 8): Item => ({ x, y, width, height, content: { $ref: "#/spec/panels/a" } });
  it("pushes down what is covered", () => {
    expect(moved([item(0, 0), item(12, 0)], 1, { x: 6 }).map(({ x, y }) => [x, y])).toEqual([[0, 8], [6, 0]]);
    expect(moved([item(0, 0)], 0, { x: 30, width: 99 })[0]).toMatchObject({ x: 0, width: 24 });
  });
  it("repeats panels and sections for each value", () => {
    const board: Board = { ...emptyBoard("b", "B"), spec: { panels: { a: NEW_PANEL }, layouts: [
      { kind: "Grid", spec: { items: [{ ...item(0, 0), repeat: { variable: "v", perRow: 2 } }, item(0, 8, 24)] } },
      { kind: "Grid", spec: { repeatVariable: "v", display: { title: "$v" }, items: [item(0, 0)] } },
      { kind: "Spiral", spec: {} },
    ] } };
    const sections = sectionsOf(board, new Map([["v", { values: ["x", "y", "z"], multi: true }]]));
    expect(sections).toHaveLength(4);
    expect(sections[0].placed.map(({ item: { x, y, width } }) => [x, y, width])).toEqual([[0, 0, 12], [12, 0, 12], [0, 8, 12], [0, 16, 24]]);
    expect(sections[2].env.get("v")?.values).toEqual(["y"]);
    const many = sectionsOf(board, new Map([["v", { values: Array.from({ length: 60 }, (_, i) => `${i}`), multi: true }]]));
    expect(many[0].cut).toBe(10);
  });
  it("adds and removes panels and keeps the rest", () => {
    const empty = { ...emptyBoard("b", "B"), later: { x: 1 } } as Board;
    const { board, key } = addPanel(empty, NEW_PANEL);
    expect(board.spec.layouts?.[0].spec.items?.[0].content.$ref).toBe(`#/spec/panels/${key}`);
    expect(removeItem(board, 0, 0)).toEqual(empty);
    expect(nameOf("Node Exporter / Full")).toBe("node-exporter-full");
    expect(nameOf("Import")).toBe("board-import");
  });
});
