import { describe, expect, it, vi } from "vitest";

vi.stubGlobal("document", { baseURI: "http://tarn/", addEventListener: () => {} });
vi.stubGlobal("location", { pathname: "/", search: "", origin: "http://tarn" });
vi.mock("uplot", () => ({ default: class {} }));
vi.mock("uplot/dist/uPlot.min.css", () => ({}));
const { fold, metricIn, questionOf } = await import("../src/pages/metrics/names");
const { splitBy } = await import("../src/pages/metrics/SplitBy");
const { narrowed } = await import("../src/pages/metrics/Result");
const { changes, summarise } = await import("../src/pages/metrics/change");
const { heatmapOf, heatmapQuery } = await import("../src/pages/metrics/heatmap");
const { expandMacros } = await import("../src/lib/promql");
const { panelOf } = await import("../src/pages/metrics/AddToBoard");
const { ruleOf } = await import("../src/pages/metrics/AlertOnThis");

describe("metrics by their names", () => {
  it("makes one of the parts of a histogram", () => {
    const names = fold(["a_total", "h_seconds_bucket", "h_seconds_count", "h_seconds_sum", "n_seconds", "n_seconds_count", "n_seconds_sum", "up"], {});
    expect(names.map((m) => [m.name, m.kind, m.native])).toEqual([["a_total", "counter", false], ["h_seconds", "histogram", false], ["n_seconds", "histogram", true], ["up", "state", false]]);
  });
  it.each([
    ["sum by (service) (rate(http_requests_total{code=~\"5..\"}[5m]))", "http_requests_total"],
    ["histogram_quantile(0.99, sum by (le) (rate(h_seconds_bucket[1m])))", "h_seconds"],
    ['{"http.server.duration"}', "http.server.duration"],
    ['sum({__name__="x.y"})', "x.y"],
    ["up", "up"],
    ["1 + 1", null],
  ])("%s", (query, metric) => expect(metricIn(query)).toBe(metric));
  it("asks what fits", () => {
    const of = (kind: "counter" | "gauge" | "histogram", native = false) => questionOf({ name: "m", kind, help: "", native }).query;
    expect(of("counter")).toBe("sum (rate(m[$__rate_interval]))");
    expect(of("gauge")).toBe("m");
    expect(of("histogram")).toBe("histogram_quantile(0.99, sum by (le) (rate(m_bucket[$__rate_interval])))");
    expect(of("histogram", true)).toBe("histogram_quantile(0.99, sum (rate(m[$__rate_interval])))");
  });
});

describe("questions changed by clicks", () => {
  it("splits", () => {
    expect(splitBy("sum (rate(m[5m]))", "job")).toBe("sum by (job) (rate(m[5m]))");
    expect(splitBy("sum by (a) (rate(m[5m]))", null)).toBe("sum (rate(m[5m]))");
    expect(splitBy("histogram_quantile(0.9, sum by (le) (rate(m_bucket[5m])))", "job")).toBe("histogram_quantile(0.9, sum by (le, job) (rate(m_bucket[5m])))");
    expect(splitBy("m", "job")).toBe("avg by (job) (m)");
  });
  it("narrows", () => {
    expect(narrowed("sum(rate(m[5m]))", "job", 'a"b')).toBe('sum(rate(m{job="a\\"b"}[5m]))');
    expect(narrowed('rate(m_bucket{le="1"}[5m])', "job", "a")).toBe('rate(m_bucket{le="1", job="a"}[5m])');
  });
  it("expands Grafana's durations", () => {
    expect(expandMacros("rate(m[$__rate_interval]) + ${__interval}", { start: 0, end: 3_600_000 }, 15)).toBe("rate(m[60s]) + 15s");
  });
  it("makes panels that ask it", () => {
    const panel = panelOf("up == 0", "Down");
    expect([panel.spec.display?.name, JSON.stringify(panel.spec.queries).includes('"query":"up == 0"')]).toEqual(["Down", true]);
    expect(panelOf("a", "A")).not.toEqual(panel);
  });
  it("writes rules that are YAML", () => expect(ruleOf("rate(m[$__rate_interval])", 'A "b"', ">", 1, "1m")).toContain('expr: "(rate(m[5m])) > 1"'));
});

describe("results", () => {
  const series = (labels: Record<string, string>, values: (number | null)[]) => ({ labels, values });
  it("are summarised", () => {
    expect(summarise([1, null, 3])).toEqual({ last: 3, min: 1, avg: 2, max: 3 });
    expect(summarise([null]).last).toBeNull();
  });
  it("name the label that changed most", () => {
    const data = { times: [0, 1, 2, 3], series: [series({ s: "a", z: "1" }, [0, 0, 0, 10]), series({ s: "b", z: "1" }, [5, 5, 5, 5]), series({ s: "c", z: "2" }, [1, 1, 1, 2])] };
    expect(changes(data).map((c) => [c.label, c.value, Math.round(c.share * 100)])).toEqual([["s", "a", 91], ["s", "c", 9], ["s", "b", 0]]);
  });
  it("become heatmaps", () => {
    expect(heatmapQuery('histogram_quantile(0.9, sum by (le) (rate(m_bucket{a="b"}[5m])))')?.query).toBe('sum by (le) (increase(m_bucket{a="b"}[$__interval]))');
    expect(heatmapQuery("rate(m[5m])")).toBeNull();
    const map = heatmapOf({ times: [0, 60], series: [series({ le: "+Inf" }, [9, 3]), series({ le: "1" }, [5, 1]), series({ le: "2" }, [8, null])] });
    expect(map).toEqual({ startMs: 0, stepMs: 60_000, bounds: [1, 2, 4], counts: [[5, 3, 1], [1, 0, 2]] });
  });
});
