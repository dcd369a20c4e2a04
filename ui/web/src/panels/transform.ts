// What boards do to tables between query and panel: Grafana's fourteen ways, with the options that they
// have there. Pure; a step that makes no sense of its options leaves the tables as they are.
import { calculate } from "./calc";
import { patternOf } from "./format";
import { listOf, numberOf, textOf, treeOf, type Tree } from "./model";

export type Cell = string | number | null;

export interface Frame {
  /** The letter of its query. */
  ref: string;
  columns: string[];
  rows: Record<string, Cell>[];
}

type Step = (frames: Frame[], spec: Tree) => Frame[];

const isValue = (column: string) => /^Value( #.*)?$/.test(column);
const each = (change: (frame: Frame, spec: Tree) => Frame): Step => (frames, spec) => frames.map((frame) => change(frame, spec));
const texts = (tree: Tree | undefined, key: string) => (Array.isArray(tree?.[key]) ? (tree[key] as unknown[]).filter((one): one is string => typeof one === "string") : []);

function only(frame: Frame, columns: string[]): Frame {
  return { ...frame, columns };
}

/** Puts rows together that agree in every column that all tables have, values apart. */
const merge: Step = (frames) => {
  if (frames.length < 2) return frames;
  const shared = frames[0].columns.filter((column) => !isValue(column) && frames.every((frame) => frame.columns.includes(column)));
  const rows = new Map<string, Record<string, Cell>>();
  frames.forEach((frame, i) => {
    frame.rows.forEach((row, at) => {
      const key = shared.length > 0 ? JSON.stringify(shared.map((column) => row[column] ?? null)) : `${i} ${at}`;
      rows.set(key, { ...rows.get(key), ...row });
    });
  });
  const columns = [...new Set(frames.flatMap((frame) => frame.columns))];
  return [{ ref: frames[0].ref, columns: [...columns.filter((c) => !isValue(c)), ...columns.filter(isValue)], rows: [...rows.values()] }];
};

const joinByField: Step = (frames, spec) => {
  const by = textOf(spec, "byField") ?? frames[0]?.columns[0];
  if (!by || frames.length < 2) return frames;
  const inner = textOf(spec, "mode") === "inner";
  const rows = new Map<string, { row: Record<string, Cell>; seen: number }>();
  const columns = [by];
  frames.forEach((frame, i) => {
    const named = new Map(frame.columns.filter((c) => c !== by).map((c) => [c, columns.includes(c) ? `${c} ${i + 1}` : c]));
    columns.push(...named.values());
    for (const row of frame.rows) {
      const key = String(row[by]);
      const joined = rows.get(key) ?? { row: { [by]: row[by] ?? null }, seen: 0 };
      for (const [from, to] of named) joined.row[to] = row[from] ?? null;
      joined.seen++;
      rows.set(key, joined);
    }
  });
  const kept = [...rows.values()].filter(({ seen }) => !inner || seen >= frames.length);
  return [{ ref: frames[0].ref, columns, rows: kept.map(({ row }) => row) }];
};

const organize = each((frame, spec) => {
  const hidden = treeOf(spec, "excludeByName") ?? {};
  const order = treeOf(spec, "indexByName") ?? {};
  const names = treeOf(spec, "renameByName") ?? {};
  const at = (column: string) => (typeof order[column] === "number" ? (order[column] as number) : 1e6);
  const kept = frame.columns.filter((column) => hidden[column] !== true);
  kept.sort((a, b) => at(a) - at(b) || frame.columns.indexOf(a) - frame.columns.indexOf(b));
  return renamed(only(frame, kept), (column) => (typeof names[column] === "string" && names[column] ? (names[column] as string) : column));
});

function renamed(frame: Frame, name: (column: string) => string): Frame {
  const to = new Map(frame.columns.map((column) => [column, name(column)]));
  if ([...to].every(([a, b]) => a === b)) return frame;
  return { ...frame, columns: [...to.values()], rows: frame.rows.map((row) => Object.fromEntries(frame.columns.map((column) => [to.get(column)!, row[column] ?? null]))) };
}

const filterFieldsByName = each((frame, spec) => {
  const wanted = treeOf(spec, "include");
  const unwanted = treeOf(spec, "exclude");
  const test = (rule: Tree | undefined, column: string) => {
    const pattern = textOf(rule, "pattern");
    return texts(rule, "names").includes(column) || (pattern ? patternOf(pattern)?.test(column) ?? false : false);
  };
  return only(frame, frame.columns.filter((column) => (wanted ? test(wanted, column) : true) && !(unwanted && test(unwanted, column))));
});

const HOW: Record<string, string> = { lastNotNull: "last-number", firstNotNull: "first-number", last: "last", first: "first", mean: "mean", sum: "sum", min: "min", max: "max", count: "count", range: "range", delta: "delta", diff: "delta" };
const numbers = (rows: Frame["rows"], column: string) => rows.map((row) => (typeof row[column] === "number" ? (row[column] as number) : null));
const reduced = (rows: Frame["rows"], column: string, how: string): Cell => {
  if (how === "lastNotNull" || how === "last") return rows.findLast((row) => row[column] !== null && row[column] !== undefined)?.[column] ?? null;
  if (how === "first" || how === "firstNotNull") return rows.find((row) => row[column] !== null && row[column] !== undefined)?.[column] ?? null;
  if (how === "count") return rows.length;
  return calculate(numbers(rows, column), HOW[how] ?? "last-number");
};

const groupBy = each((frame, spec) => {
  const fields = treeOf(spec, "fields") ?? {};
  const operation = (column: string) => textOf(treeOf(fields, column), "operation");
  const keys = frame.columns.filter((column) => operation(column) === "groupby");
  const sums = frame.columns.flatMap((column) => (operation(column) === "aggregate" ? texts(treeOf(fields, column), "aggregations").map((how) => [column, how] as const) : []));
  if (keys.length === 0) return frame;
  const groups = new Map<string, Frame["rows"]>();
  for (const row of frame.rows) {
    const key = JSON.stringify(keys.map((column) => row[column] ?? null));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const rows = [...groups.values()].map((members) => ({
    ...Object.fromEntries(keys.map((column) => [column, members[0][column] ?? null])),
    ...Object.fromEntries(sums.map(([column, how]) => [`${column} (${how})`, reduced(members, column, how)])),
  }));
  return { ...frame, columns: [...keys, ...sums.map(([column, how]) => `${column} (${how})`)], rows };
});

const BINARY: Record<string, (a: number, b: number) => number> = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b, "%": (a, b) => a % b };

const calculateField = each((frame, spec) => {
  const binary = treeOf(spec, "binary");
  const reduce = treeOf(spec, "reduce");
  let name = textOf(spec, "alias") ?? "";
  let value: (row: Frame["rows"][number]) => Cell;
  if (textOf(spec, "mode") === "binary" && binary) {
    const operand = (key: string) => {
      const side = binary[key];
      const text = typeof side === "string" ? side : textOf(treeOf(treeOf(binary, key), "matcher"), "options") ?? String(numberOf(treeOf(binary, key), "fixed") ?? "");
      return (row: Frame["rows"][number]) => (typeof row[text] === "number" ? (row[text] as number) : text.trim() !== "" && !Number.isNaN(Number(text)) ? Number(text) : NaN);
    };
    const operator = textOf(binary, "operator") ?? "+";
    const [left, right, apply] = [operand("left"), operand("right"), BINARY[operator] ?? BINARY["+"]];
    name ||= `${textOf(binary, "left") ?? "a"} ${operator} ${textOf(binary, "right") ?? "b"}`;
    value = (row) => {
      const result = apply(left(row), right(row));
      return Number.isNaN(result) ? null : result;
    };
  } else {
    const how = textOf(reduce, "reducer") ?? "sum";
    const included = texts(reduce, "include");
    const columns = frame.columns.filter((column) => (included.length > 0 ? included.includes(column) : frame.rows.some((row) => typeof row[column] === "number")));
    name ||= how === "sum" ? "Total" : how;
    value = (row) => calculate(columns.map((column) => (typeof row[column] === "number" ? (row[column] as number) : null)), HOW[how] ?? how);
  }
  const columns = spec.replaceFields === true ? [name] : [...frame.columns.filter((column) => column !== name), name];
  return { ...frame, columns, rows: frame.rows.map((row) => ({ ...row, [name]: value(row) })) };
});

const reduce: Step = (frames, spec) => {
  const reducers = texts(spec, "reducers");
  const hows = reducers.length > 0 ? reducers : ["lastNotNull"];
  const numeric = (frame: Frame) => frame.columns.filter((column) => column !== "Time" && frame.rows.some((row) => typeof row[column] === "number"));
  if (textOf(spec, "mode") === "reduceFields") {
    return frames.map((frame) => ({ ...frame, columns: numeric(frame), rows: [Object.fromEntries(numeric(frame).map((column) => [column, reduced(frame.rows, column, hows[0])]))] }));
  }
  const title = (how: string) => ({ lastNotNull: "Last *", last: "Last", mean: "Mean", max: "Max", min: "Min", sum: "Total", count: "Count", first: "First", firstNotNull: "First *" })[how] ?? how;
  const rows = frames.flatMap((frame) => numeric(frame).map((column) => ({ Field: column, ...Object.fromEntries(hows.map((how) => [title(how), reduced(frame.rows, column, how)])) })));
  return [{ ref: frames[0]?.ref ?? "", columns: ["Field", ...hows.map(title)], rows }];
};

export function compare(a: Cell | undefined, b: Cell | undefined): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : -1;
  if (b === null || b === undefined) return 1;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

const sortBy = each((frame, spec) => {
  const sort = listOf(spec, "sort")[0];
  const field = textOf(sort, "field");
  if (!field) return frame;
  const sign = sort.desc === true ? -1 : 1;
  return { ...frame, rows: [...frame.rows].sort((a, b) => sign * compare(a[field], b[field])) };
});

const CHECKS: Record<string, (cell: Cell | undefined, spec: Tree) => boolean> = {
  isNull: (cell) => cell === null || cell === undefined,
  isNotNull: (cell) => cell !== null && cell !== undefined,
  equal: (cell, spec) => String(cell) === String(spec.value),
  notEqual: (cell, spec) => String(cell) !== String(spec.value),
  greater: (cell, spec) => Number(cell) > Number(spec.value),
  greaterOrEqual: (cell, spec) => Number(cell) >= Number(spec.value),
  lower: (cell, spec) => Number(cell) < Number(spec.value),
  lowerOrEqual: (cell, spec) => Number(cell) <= Number(spec.value),
  between: (cell, spec) => Number(cell) >= Number(spec.from) && Number(cell) <= Number(spec.to),
  substring: (cell, spec) => String(cell).toLowerCase().includes(String(spec.value).toLowerCase()),
  regex: (cell, spec) => patternOf(String(spec.value))?.test(String(cell)) ?? false,
};

const filterByValue = each((frame, spec) => {
  const filters = listOf(spec, "filters").flatMap((filter) => {
    const config = treeOf(filter, "config");
    const check: (typeof CHECKS)[string] | undefined = CHECKS[textOf(config, "id") ?? ""];
    const field = textOf(filter, "fieldName");
    return check !== undefined && field ? [(row: Frame["rows"][number]) => check(row[field], treeOf(config, "options") ?? {})] : [];
  });
  if (filters.length === 0) return frame;
  const any = textOf(spec, "match") !== "all";
  const keep = textOf(spec, "type") !== "exclude";
  return { ...frame, rows: frame.rows.filter((row) => (any ? filters.some((f) => f(row)) : filters.every((f) => f(row))) === keep) };
});

const renameByRegex = each((frame, spec) => {
  const pattern = patternOf(textOf(spec, "regex") ?? "");
  const to = textOf(spec, "renamePattern") ?? "";
  return pattern ? renamed(frame, (column) => column.replace(pattern, to)) : frame;
});

const limit = each((frame, spec) => ({ ...frame, rows: frame.rows.slice(0, Number(spec.limitField ?? 10) || 10) }));

const convertFieldType = each((frame, spec) => {
  let rows = frame.rows;
  for (const conversion of listOf(spec, "conversions")) {
    const [column, to] = [textOf(conversion, "targetField"), textOf(conversion, "destinationType")];
    if (!column) continue;
    const convert = (cell: Cell | undefined): Cell => {
      if (cell === null || cell === undefined) return null;
      if (to !== "number") return to === "string" ? String(cell) : cell;
      const number = Number(cell);
      return Number.isNaN(number) ? null : number;
    };
    rows = rows.map((row) => ({ ...row, [column]: convert(row[column]) }));
  }
  return { ...frame, rows };
});

const STEPS: Record<string, Step> = {
  Merge: merge, JoinByField: joinByField, Organize: organize, FilterFieldsByName: filterFieldsByName, GroupBy: groupBy, CalculateField: calculateField,
  Reduce: reduce, SortBy: sortBy, FilterByValue: filterByValue, RenameByRegex: renameByRegex, Limit: limit, ConvertFieldType: convertFieldType,
  // Labels are columns here from the beginning.
  LabelsToFields: (frames) => frames,
};

export function transform(frames: Frame[], steps: readonly Tree[]): Frame[] {
  let now = frames;
  for (const step of steps) now = STEPS[textOf(step, "kind") ?? ""]?.(now, treeOf(step, "spec") ?? {}) ?? now;
  return now;
}
