//! What each kind of point becomes.

use expect_test::expect;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
    exponential_histogram_data_point::Buckets, summary_data_point::ValueAtQuantile,
};
use tarn_ingest::{OtlpMetrics, Promote};
use tarn_model::otel_names::Translation;

use super::build::{
    CUMULATIVE, DELTA, MS, attributes, buckets, decode, double, exemplar, exponential, gauge,
    histogram, int, pair, print, request, resource, scope, sum, summary, table, text, value,
};

#[test]
fn gauges_and_sums() {
    let started = |point: NumberDataPoint| NumberDataPoint {
        start_time_unix_nano: 500 * MS + 999_999,
        ..point
    };
    let request = request(vec![
        gauge("queue.length", "1", vec![started(int(1000, -7)), int(2000, i64::MAX)]),
        gauge("load", "", vec![double(1000, f64::NAN), double(2000, -0.0)]),
        sum("orders", (CUMULATIVE, true), vec![started(int(1000, 5)), started(int(2000, 6))]),
        sum("open.orders", (CUMULATIVE, false), vec![started(int(1000, 5))]),
    ]);
    expect![[r#"
        queue_length_ratio{job="shop"} 1000 -7 2000 9223372036854776000
        load{job="shop"} 1000 NaN 2000 -0
        orders_total{job="shop"} 1000<500 5 2000<500 6
        open_orders{job="shop"} 1000<500 5
        family queue_length_ratio: gauge [] What queue.length is.
        family load: gauge [] What load is.
        family orders_total: counter [] What orders is.
        family open_orders: gauge [] What open.orders is.
        7 accepted, 0 rejected
    "#]]
    .assert_eq(&table(&request));
}

#[test]
fn deltas_have_a_label_and_always_a_start() {
    let from = |start: u64, point: NumberDataPoint| NumberDataPoint {
        start_time_unix_nano: start * MS,
        ..point
    };
    let points = vec![
        from(0, int(1000, 1)),
        from(1000, int(2000, 2)),
        from(3000, int(3000, 3)),
        from(9000, int(4000, 4)),
    ];
    let exponential_point = ExponentialHistogramDataPoint {
        start_time_unix_nano: 500 * MS,
        time_unix_nano: 1000 * MS,
        count: 2,
        zero_count: 2,
        ..ExponentialHistogramDataPoint::default()
    };
    let request = request(vec![
        sum("orders", (DELTA, true), points.clone()),
        sum("stock", (DELTA, false), points),
        histogram("wait", DELTA, vec![buckets(1000, [1, 2, 3], 9.0)]),
        exponential("size", DELTA, vec![exponential_point]),
    ]);
    expect![[r#"
        orders_total{__temporality__="delta", job="shop"} 1000<999 1 2000<1000 2 3000<2999 3 4000<3999 4
        stock{__temporality__="delta", job="shop"} 1000<999 1 2000<1000 2 3000<2999 3 4000<3999 4
        wait_seconds_bucket{__temporality__="delta", job="shop", le="1"} 1000<999 1
        wait_seconds_bucket{__temporality__="delta", job="shop", le="2.5"} 1000<999 3
        wait_seconds_bucket{__temporality__="delta", job="shop", le="+Inf"} 1000<999 6
        wait_seconds_sum{__temporality__="delta", job="shop"} 1000<999 9
        wait_seconds_count{__temporality__="delta", job="shop"} 1000<999 6
        size{__temporality__="delta", job="shop"} 1000<500 {schema 0, count 2, sum 0, zero 2 within 1e-128, Gauge}
        family orders_total: counter [] What orders is.
        family stock: gauge [] What stock is.
        family wait_seconds: histogram [seconds] What wait is.
        family size: histogram [] What size is.
        10 accepted, 0 rejected
    "#]].assert_eq(&table(&request));
}

#[test]
fn explicit_histograms() {
    let started = HistogramDataPoint {
        start_time_unix_nano: MS,
        attributes: attributes(&[("le", "mine"), ("path", "/")]),
        ..buckets(1000, [1, 2, 3], 9.5)
    };
    let request = request(vec![histogram(
        "wait",
        CUMULATIVE,
        vec![
            started,
            HistogramDataPoint {
                sum: None,
                explicit_bounds: vec![0.1, 1e21],
                ..buckets(2000, [4, 0, 1], 0.0)
            },
            HistogramDataPoint {
                time_unix_nano: 3000 * MS,
                count: 8,
                sum: Some(4.0),
                ..HistogramDataPoint::default()
            },
            HistogramDataPoint { flags: 1, ..buckets(4000, [0, 0, 0], 0.0) },
            // The last bound is the bucket of everything.
            HistogramDataPoint {
                explicit_bounds: vec![1.0, f64::INFINITY],
                ..buckets(5000, [1, 1, 0], 2.0)
            },
        ],
    )]);
    expect![[r#"
        wait_seconds_bucket{job="shop", le="1", path="/"} 1000<1 1
        wait_seconds_bucket{job="shop", le="2.5", path="/"} 1000<1 3
        wait_seconds_bucket{job="shop", le="+Inf", path="/"} 1000<1 6
        wait_seconds_sum{job="shop", le="mine", path="/"} 1000<1 9.5
        wait_seconds_count{job="shop", le="mine", path="/"} 1000<1 6
        wait_seconds_bucket{job="shop", le="0.1"} 2000 4
        wait_seconds_bucket{job="shop", le="1000000000000000000000"} 2000 4
        wait_seconds_bucket{job="shop", le="+Inf"} 2000 5 3000 8 4000 stale 5000 2
        wait_seconds_count{job="shop"} 2000 5 3000 8 4000 stale 5000 2
        wait_seconds_sum{job="shop"} 3000 4 4000 stale 5000 2
        wait_seconds_bucket{job="shop", le="1"} 4000 stale 5000 1
        wait_seconds_bucket{job="shop", le="2.5"} 4000 stale
        family wait_seconds: histogram [seconds] What wait is.
        5 accepted, 0 rejected
    "#]]
    .assert_eq(&table(&request));
    let native = OtlpMetrics { native_histograms: true, ..OtlpMetrics::default() };
    expect![[r#"
        wait_seconds{job="shop", le="mine", path="/"} 1000<1 {schema -53, count 6, sum 9.5, bounds [1.0, 2.5], 0: 1, 1: 2, 2: 3, Unknown}
        wait_seconds{job="shop"} 2000 {schema -53, count 5, sum 0, bounds [0.1, 1e21], 0: 4, 2: 1, Unknown} 3000 {schema -53, count 8, sum 4, 0: 8, Unknown} 4000 stale(schema -53)
        family wait_seconds: histogram [seconds] What wait is.
        4 accepted, 1 rejected
        1 rows rejected, 4 stored
        data point 5 of metric "wait": bounds must ascend and leave out +Inf
    "#]].assert_eq(&print(&decode(&request, &native)));
}

#[test]
fn exponential_histograms() {
    let point = |scale: i32, offset: i32, counts: &[u64]| ExponentialHistogramDataPoint {
        time_unix_nano: 1000 * MS,
        count: counts.iter().sum::<u64>() + 3,
        sum: Some(12.5),
        scale,
        zero_count: 3,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    };
    let negative = ExponentialHistogramDataPoint {
        count: 9,
        negative: Some(Buckets { offset: -3, bucket_counts: vec![2, 0, 1] }),
        zero_threshold: 0.25,
        ..point(-4, i32::MIN, &[3])
    };
    let stale = ExponentialHistogramDataPoint { flags: 1, ..point(3, 0, &[1]) };
    let request = request(vec![
        exponential("plain", CUMULATIVE, vec![point(0, -1, &[1, 0, 2, 4])]),
        exponential("finer.by.one", CUMULATIVE, vec![point(9, -3, &[1, 2, 4, 8, 16])]),
        exponential("finest", CUMULATIVE, vec![point(i32::MAX, -2, &[1, 2, 4, 8])]),
        exponential("both.sides", CUMULATIVE, vec![negative]),
        exponential("ended", CUMULATIVE, vec![stale]),
        exponential("too.coarse", CUMULATIVE, vec![point(-5, 0, &[1])]),
        exponential("too.far", CUMULATIVE, vec![point(0, i32::MAX, &[0, 1])]),
        exponential(
            "wrong",
            CUMULATIVE,
            vec![ExponentialHistogramDataPoint { count: 1, ..point(0, 0, &[1]) }],
        ),
    ]);
    expect![[r#"
        plain{job="shop"} 1000 {schema 0, count 10, sum 12.5, zero 3 within 1e-128, 0: 1, 2: 2, 3: 4, Unknown}
        finer_by_one{job="shop"} 1000 {schema 8, count 34, sum 12.5, zero 3 within 1e-128, -1: 1, 0: 6, 1: 24, Unknown}
        finest{job="shop"} 1000 {schema 8, count 18, sum 12.5, zero 3 within 1e-128, 0: 3, 1: 12, Unknown}
        both_sides{job="shop"} 1000 {schema -4, count 9, sum 12.5, zero 3 within 2.5e-1, -2147483647: 3, -(-2): 2, -(0): 1, Unknown}
        ended{job="shop"} 1000 stale(schema 0)
        family plain: histogram [] What plain is.
        family finer_by_one: histogram [] What finer.by.one is.
        family finest: histogram [] What finest is.
        family both_sides: histogram [] What both.sides is.
        family ended: histogram [] What ended is.
        5 accepted, 3 rejected
        3 rows rejected, 5 stored
        data point 6 of metric "too.coarse": scale is -5, the least is -4
        data point 7 of metric "too.far": bucket 2147483649 is beyond 32 bits
        data point 8 of metric "wrong": count is 1, buckets hold 4 observations
    "#]].assert_eq(&table(&request));
}

#[test]
fn summaries() {
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let point = SummaryDataPoint {
        start_time_unix_nano: 500 * MS,
        time_unix_nano: 1000 * MS,
        count: 10,
        sum: 55.5,
        quantile_values: vec![quantile(0.0, 1.0), quantile(0.99, 9.9), quantile(1.0, 10.0)],
        attributes: attributes(&[("path", "/")]),
        flags: 0,
    };
    let ended = SummaryDataPoint { time_unix_nano: 2000 * MS, flags: 1, ..point.clone() };
    expect![[r#"
        latency_sum{job="shop", path="/"} 1000<500 55.5 2000<500 stale
        latency_count{job="shop", path="/"} 1000<500 10 2000<500 stale
        latency{job="shop", path="/", quantile="0"} 1000<500 1 2000<500 stale
        latency{job="shop", path="/", quantile="0.99"} 1000<500 9.9 2000<500 stale
        latency{job="shop", path="/", quantile="1"} 1000<500 10 2000<500 stale
        family latency: summary [] What latency is.
        2 accepted, 0 rejected
    "#]]
    .assert_eq(&table(&request(vec![summary("latency", vec![point, ended])])));
}

#[test]
fn exemplars_go_to_the_bucket_they_fall_in() {
    let mut long = exemplar(900, 1.5, 3);
    long.filtered_attributes = attributes(&[("note", &"x".repeat(62))]);
    let mut short = exemplar(800, 2.5, 4);
    short.filtered_attributes =
        vec![pair("n", Value::IntValue(7)), pair("trace_id", text("other"))];
    let mut nobody = exemplar(0, 99.0, 0);
    nobody.filtered_attributes = attributes(&[("user", "ann")]);
    let mut point = buckets(1000, [1, 2, 1], 9.0);
    point.exemplars =
        vec![exemplar(950, 1.0, 1), exemplar(700, f64::NEG_INFINITY, 2), long, short, nobody];
    let mut number = int(1000, 1);
    number.exemplars = vec![exemplar(990, 1.0, 5)];
    let request = request(vec![
        histogram("wait", CUMULATIVE, vec![point]),
        sum("orders", (CUMULATIVE, true), vec![number]),
    ]);
    expect![[r#"
        wait_seconds_bucket{job="shop", le="1"} 1000 1
          # 700 -inf{span_id="0202020202020202", trace_id="02020202020202020202020202020202"}
          # 950 1{span_id="0101010101010101", trace_id="01010101010101010101010101010101"}
        wait_seconds_bucket{job="shop", le="2.5"} 1000 3
          # 800 2.5{n="7", span_id="0404040404040404", trace_id="04040404040404040404040404040404"}
          # 900 1.5{span_id="0303030303030303", trace_id="03030303030303030303030303030303"}
        wait_seconds_bucket{job="shop", le="+Inf"} 1000 4
          # 1000 99{user="ann"}
        wait_seconds_sum{job="shop"} 1000 9
        wait_seconds_count{job="shop"} 1000 4
        orders_total{job="shop"} 1000 1
          # 990 1{span_id="0505050505050505", trace_id="05050505050505050505050505050505"}
        family wait_seconds: histogram [seconds] What wait is.
        family orders_total: counter [] What orders is.
        2 accepted, 0 rejected
    "#]]
    .assert_eq(&table(&request));
}

#[test]
fn attributes_become_labels() {
    let list = ArrayValue {
        values: vec![value(Value::IntValue(1)), value(text("a"))].into_iter().flatten().collect(),
    };
    let map = KeyValueList { values: vec![pair("k", Value::BoolValue(true))] };
    let point = |attributes| NumberDataPoint { attributes, ..int(1000, 1) };
    let request = request(vec![gauge(
        "g",
        "",
        vec![
            point(vec![
                pair("text", text("é\n")),
                pair("bool", Value::BoolValue(false)),
                pair("int", Value::IntValue(-3)),
                pair("one", Value::DoubleValue(1.0)),
                pair("small", Value::DoubleValue(1.5e-7)),
                pair("large", Value::DoubleValue(2e21)),
                pair("none", Value::DoubleValue(f64::NAN)),
                pair("list", Value::ArrayValue(list)),
                pair("map", Value::KvlistValue(map)),
                pair("bytes", Value::BytesValue(vec![0, 255])),
                pair("empty", text("")),
            ]),
            point(attributes(&[("b.c", "2"), ("b_c", "3"), ("b-c", "1"), ("b.c", "22")])),
            point(attributes(&[("1st", "a"), ("_x", "b"), ("__y", "c"), ("job", "mine")])),
        ],
    )]);
    expect![[r#"
        g{bool="false", bytes="AP8=", int="-3", job="shop", large="2e+21", list="[1,\"a\"]", map="{\"k\":true}", none="NaN", one="1", small="1.5e-7", text="é\n"} 1000 1
        g{b_c="1;22;3", job="shop"} 1000 1
        g{__y="c", job="shop", key_1st="a", key_x="b"} 1000 1
        family g: gauge [] What g is.
        3 accepted, 0 rejected
    "#]].assert_eq(&table(&request));
}

/// Two scopes of one service twice, one resource without a service, one with nothing else.
fn of_resources_and_scopes() -> ExportMetricsServiceRequest {
    let service = attributes(&[
        ("service.name", "shop"),
        ("service.namespace", "web"),
        ("service.instance.id", "i-1"),
        ("host.name", "h"),
        ("host-name", "g"),
        ("k8s.pod.name", "p"),
    ]);
    let points = || {
        vec![NumberDataPoint { attributes: attributes(&[("k8s.pod.name", "own")]), ..int(1000, 1) }]
    };
    let mut scoped =
        scope("meter", vec![gauge("a", "", points()), gauge("b", "", vec![int(400_000, 2)])]);
    scoped.schema_url = "https://s".to_owned();
    if let Some(scope) = &mut scoped.scope {
        scope.version = "2".to_owned();
        scope.attributes = attributes(&[("team.name", "t")]);
    }
    let nameless = scope("", vec![gauge("c", "", vec![int(1000, 3)])]);
    let bare = resource(
        attributes(&[("host.name", "x")]),
        vec![scope("", vec![gauge("d", "", vec![int(1, 1)])])],
    );
    let alone = resource(
        attributes(&[("service.name", "y")]),
        vec![scope("", vec![gauge("e", "", vec![int(1, 1)])])],
    );
    let first = resource(service, vec![scoped, nameless]);
    ExportMetricsServiceRequest { resource_metrics: vec![first.clone(), first, bare, alone] }
}

#[test]
fn resources_and_scopes() {
    let request = of_resources_and_scopes();
    expect![[r#"
        a{instance="i-1", job="web/shop", k8s_pod_name="own", otel_scope_name="meter", otel_scope_schema_url="https://s", otel_scope_team_name="t", otel_scope_version="2"} 1000 1 1000 1
        b{instance="i-1", job="web/shop", otel_scope_name="meter", otel_scope_schema_url="https://s", otel_scope_team_name="t", otel_scope_version="2"} 400000 2 400000 2
        c{instance="i-1", job="web/shop"} 1000 3 1000 3
        target_info{host_name="g;h", instance="i-1", job="web/shop", k8s_pod_name="p"} 1000 1 151000 1 301000 1 400000 1
        d 1 1
        e{job="y"} 1 1
        family a: gauge [] What a is.
        family b: gauge [] What b is.
        family c: gauge [] What c is.
        family target_info: gauge [] Attributes of the resource that job and instance stand for.
        family a: gauge [] What a is.
        family b: gauge [] What b is.
        family c: gauge [] What c is.
        family target_info: gauge [] Attributes of the resource that job and instance stand for.
        family d: gauge [] What d is.
        family e: gauge [] What e is.
        8 accepted, 0 rejected
    "#]].assert_eq(&table(&request));
    let options = OtlpMetrics {
        scope_labels: false,
        type_and_unit_labels: true,
        keep_identifying: true,
        promote: Promote::AllBut(vec!["service.name".to_owned(), "host-name".to_owned()]),
        translation: Translation::NoTranslation,
        ..OtlpMetrics::default()
    };
    expect![[r#"
        a{__type__="gauge", "host.name"="h", instance="i-1", job="web/shop", "k8s.pod.name"="own", "service.instance.id"="i-1", "service.namespace"="web"} 1000 1 1000 1
        b{__type__="gauge", "host.name"="h", instance="i-1", job="web/shop", "k8s.pod.name"="p", "service.instance.id"="i-1", "service.namespace"="web"} 400000 2 400000 2
        c{__type__="gauge", "host.name"="h", instance="i-1", job="web/shop", "k8s.pod.name"="p", "service.instance.id"="i-1", "service.namespace"="web"} 1000 3 1000 3
        target_info{"host-name"="g", "host.name"="h", instance="i-1", job="web/shop", "k8s.pod.name"="p", "service.instance.id"="i-1", "service.name"="shop", "service.namespace"="web"} 1000 1 151000 1 301000 1 400000 1
        d{__type__="gauge", "host.name"="x"} 1 1
        e{__type__="gauge", job="y"} 1 1
        family a: gauge [] What a is.
        family b: gauge [] What b is.
        family c: gauge [] What c is.
        family target_info: gauge [] Attributes of the resource that job and instance stand for.
        family a: gauge [] What a is.
        family b: gauge [] What b is.
        family c: gauge [] What c is.
        family target_info: gauge [] Attributes of the resource that job and instance stand for.
        family d: gauge [] What d is.
        family e: gauge [] What e is.
        8 accepted, 0 rejected
    "#]].assert_eq(&print(&decode(&request, &options)));
}

#[test]
fn what_cannot_be_taken_is_counted_by_data_point() {
    let nameless = gauge("", "", vec![int(1000, 1), int(2000, 1)]);
    let odd = NumberDataPoint { attributes: attributes(&[("", "v")]), ..int(1000, 1) };
    let dots = NumberDataPoint { attributes: attributes(&[("..", "v")]), ..int(1000, 1) };
    let many = (0..70).map(|n| pair(&format!("k{n}"), Value::IntValue(n))).collect();
    let many = NumberDataPoint { attributes: many, ..int(1000, 1) };
    let request = request(vec![
        nameless,
        gauge("odd", "", vec![odd, int(1000, 1), dots, many]),
        gauge("no.time", "", vec![int(0, 1)]),
        gauge("no.value", "", vec![NumberDataPoint { value: None, ..int(1000, 1) }]),
        sum("unspecified", (0, true), vec![int(1000, 1), int(2000, 1)]),
        histogram(
            "wrong",
            CUMULATIVE,
            vec![HistogramDataPoint {
                explicit_bounds: vec![1.0],
                ..buckets(1000, [1, 1, 1], 1.0)
            }],
        ),
        histogram(
            "nan",
            CUMULATIVE,
            vec![HistogramDataPoint {
                explicit_bounds: vec![1.0, f64::NAN],
                ..buckets(1000, [1, 1, 1], 1.0)
            }],
        ),
        gauge("nothing", "", Vec::new()),
    ]);
    expect![[r#"
        odd{job="shop"} 1000 1
        family odd: gauge [] What odd is.
        1 accepted, 11 rejected
        11 rows rejected, 1 stored
        series 1 {}: nothing is left of name "" after translation (metric "")
        series 2 {}: nothing is left of name "" after translation (metric "")
        series 3 {}: attribute: nothing is left of name "" after translation (metric "odd")
        series 5 {}: attribute: only underscores are left of name ".." after translation (metric "odd")
        series 6 {}: 70 attributes, limit is 64 labels (metric "odd")
        data point 7 of metric "no.time": time_unix_nano is not set
        data point 8 of metric "no.value": no value is set
        data point 9 of metric "unspecified": aggregation temporality is not set
        and 3 more problems
    "#]]
    .assert_eq(&table(&request));
}

#[test]
fn target_info_is_cut_to_the_limits_of_labels() {
    let mut attributes = attributes(&[
        ("service.name", "shop"),
        ("process.command_line", &"x".repeat(5000)),
        ("..", "no name"),
        (&"k".repeat(2000), "long name"),
    ]);
    attributes.extend((0..80).map(|n| pair(&format!("zone.{n:02}"), Value::IntValue(n))));
    let scopes = vec![scope("", vec![gauge("g", "", vec![int(1000, 1)])])];
    let request =
        ExportMetricsServiceRequest { resource_metrics: vec![resource(attributes, scopes)] };
    let recorded = decode(&request, &OtlpMetrics::default());
    assert_eq!((recorded.points, &recorded.problems), ((1, 0), &None));
    let target = recorded.series.iter().find(|labels| labels.metric() == "target_info");
    let target = target.expect("is there");
    let command = target.value("process_command_line");
    assert_eq!((command.len(), command.ends_with("xx…")), (4096, true));
    // As many as allowed, less the instance that is not there.
    assert_eq!(
        (target.len(), target.get("zone_59"), target.get("zone_60")),
        (63, Some("59"), None)
    );
}
