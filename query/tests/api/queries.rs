//! query, query_range, format_query.

use expect_test::expect;
use http::{Method, StatusCode, header};
use tarn_model::sample::{Counts, Histogram, ResetHint};

use crate::support::{NOW_MS, World, float, histogram, read};

const MINUTE: i64 = 60_000;

async fn world() -> World {
    let world = World::new().await;
    let minutes = |value: fn(i64) -> f64| {
        (0..=10).map(|i| (NOW_MS - (10 - i) * MINUTE, value(i))).collect::<Vec<_>>()
    };
    world
        .write(|a| {
            float(a, &[("__name__", "up"), ("job", "api")], &minutes(|_| 1.0));
            float(a, &[("__name__", "up"), ("job", "db")], &minutes(|i| i as f64 / 4.0));
            histogram(a, &[("__name__", "latency")], NOW_MS, native());
        })
        .await;
    world
}

fn native() -> Histogram {
    Histogram {
        schema: 0,
        bounds: Vec::new(),
        zero_threshold: 0.001,
        sum: 18.5,
        positive: vec![0, 2],
        negative: vec![1],
        counts: Counts::Int { count: 7, zero: 2, buckets: vec![1, 3, 1] },
        reset_hint: ResetHint::Unknown,
    }
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn instant_answers_have_the_shape_of_their_type() {
    let world = world().await;
    let rows = [
        (
            "1+1",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"]}}"#
            ]],
        ),
        (
            "\"a\\\"b\"",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"string","result":[1700000000,"a\"b"]}}"#
            ]],
        ),
        (
            "up",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"api"},"value":[1700000000,"1"]},{"metric":{"__name__":"up","job":"db"},"value":[1700000000,"2.5"]}]}}"#
            ]],
        ),
        (
            "up{job=\"db\"}[90s]",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"db"},"values":[[1699999940,"2.25"],[1700000000,"2.5"]]}]}}"#
            ]],
        ),
        (
            "latency",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"latency"},"histogram":[1700000000,{"count":"7","sum":"18.5","buckets":[[1,"-2","-1","1"],[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"2","4","3"]]}]}]}}"#
            ]],
        ),
        (
            "nothing",
            expect![[r#"200 {"status":"success","data":{"resultType":"vector","result":[]}}"#]],
        ),
        (
            "sum(up) / 0",
            expect![[
                r#"200 {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"+Inf"]}]}}"#
            ]],
        ),
    ];
    for (query, expected) in rows {
        let got = world.get(&format!("/query?query={}", encode(query))).await;
        expected.assert_eq(&got.line());
        let posted = world.post("/query", &format!("query={}", encode(query))).await;
        assert_eq!(posted.line(), got.line(), "GET and POST agree");
    }
}

#[tokio::test]
async fn range_answers_have_a_point_per_step() {
    let world = world().await;
    let start = NOW_MS / 1000 - 120;
    let request = |query: &str, rest: &str| {
        format!(
            "/query_range?query={}&start={start}.5&end={}&step=30{rest}",
            encode(query),
            start + 60
        )
    };
    let rows = [
        (
            request("up{job=\"db\"}", ""),
            expect![[
                r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"db"},"values":[[1699999880.500,"2"],[1699999910.500,"2"]]}]}}"#
            ]],
        ),
        (
            request("up", "&limit=1"),
            expect![[
                r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"api"},"values":[[1699999880.500,"1"],[1699999910.500,"1"]]}]},"warnings":["results truncated due to limit"]}"#
            ]],
        ),
        (
            request("nothing", ""),
            expect![[r#"200 {"status":"success","data":{"resultType":"matrix","result":[]}}"#]],
        ),
        (
            request("time()", ""),
            expect![[
                r#"200 {"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1699999880.500,"1699999880.5"],[1699999910.500,"1699999910.5"]]}]}}"#
            ]],
        ),
    ];
    for (request, expected) in rows {
        expected.assert_eq(&world.get(&request).await.line());
    }
    let end = NOW_MS / 1000;
    let native =
        world.get(&format!("/query_range?query=latency&start={end}&end={end}&step=15")).await;
    let data = &native.json()["data"]["result"][0];
    assert_eq!(data["histograms"][0][1]["count"], "7");
    assert!(data.get("values").is_none(), "an empty list is left out");
}

#[tokio::test]
async fn errors_have_the_code_and_text_that_clients_know() {
    let world = world().await;
    let rows = [
        (
            "/query",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": unknown position: parse error: no expression found in input"}"#
            ]],
        ),
        (
            "/query?query=up(",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error: unclosed left parenthesis"}"#
            ]],
        ),
        (
            "/query?query=up()",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error: unknown function with name \"up\""}"#
            ]],
        ),
        (
            "/query?query=up&time=x",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp"}"#
            ]],
        ),
        (
            "/query?query=up&timeout=0",
            expect![[
                r#"503 {"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#
            ]],
        ),
    ];
    for (request, expected) in rows {
        expected.assert_eq(&world.get(request).await.line());
    }
}

#[tokio::test]
async fn limits_types_and_evaluation_fail_with_their_own_codes() {
    let world = world().await;
    let rows = [
        (
            "/query_range?query=up&start=0&end=11001&step=1",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}"#
            ]],
        ),
        (
            "/query?query=1&timeout=-1",
            expect![[
                r#"503 {"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#
            ]],
        ),
        (
            "/query_range?query=nothing&start=0&end=11000&step=1",
            expect![[r#"200 {"status":"success","data":{"resultType":"matrix","result":[]}}"#]],
        ),
        (
            "/query_range?query=up[1m]&start=0&end=1&step=1",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"}"#
            ]],
        ),
        (
            "/query?query=limitk(1,up)",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions"}"#
            ]],
        ),
        (
            "/query?query=label_replace(up,%22job%22,%22x%22,%22job%22,%22.*%22)",
            expect![[
                r#"422 {"status":"error","errorType":"execution","error":"vector cannot contain metrics with the same labelset"}"#
            ]],
        ),
        (
            "/format_query?query=sum(up",
            expect![[
                r#"400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:7: parse error: unclosed left parenthesis"}"#
            ]],
        ),
    ];
    for (request, expected) in rows {
        expected.assert_eq(&world.get(request).await.line());
    }
}

#[tokio::test]
async fn expressions_are_laid_out() {
    let world = World::new().await;
    let answer = world.post("/format_query", "query=sum+by(job)(up)%2B1").await;
    expect![[r#"200 {"status":"success","data":"sum by (job) (up) + 1"}"#]]
        .assert_eq(&answer.line());
}

#[tokio::test]
async fn statistics_are_told_on_request() {
    let world = world().await;
    let plain = world.get("/query?query=up").await.json();
    assert!(plain["data"].get("stats").is_none());
    let all = world.get("/query?query=up&stats=all").await.json();
    assert!(all["data"]["stats"]["samples"]["totalQueryableSamples"].as_u64() >= Some(2), "{all}");
    assert!(all["data"]["stats"]["timings"]["execTotalTime"].is_number(), "{all}");
    assert!(all.get("warnings").is_none());
    let odd = world.get("/query?query=up&stats=some").await.json();
    assert!(odd["data"]["stats"].is_object() && odd["warnings"].is_array(), "{odd}");
}

#[tokio::test]
async fn other_methods_and_large_forms_are_refused() {
    let world = World::new().await;
    let put = world.send(Method::PUT, "/query", &[], axum::body::Body::empty()).await;
    assert_eq!(put.headers()[header::ALLOW], "GET, POST");
    assert_eq!(read(put).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let post = world.send(Method::POST, "/metadata", &[], axum::body::Body::empty()).await;
    assert_eq!(post.headers()[header::ALLOW], "GET");
    let form = format!("query={}", "1+".repeat(1 << 19));
    assert_eq!(world.post("/query", &form).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let long = format!("query={}1", "1%2B".repeat(150_000));
    assert_eq!(world.post("/query", &long).await.status, StatusCode::BAD_REQUEST);
    let deep = format!("query={}1{}", "(".repeat(600), ")".repeat(600));
    assert_eq!(world.post("/query", &deep).await.status, StatusCode::BAD_REQUEST);
}
