//! Range queries as frames, exemplars, and the list of queries.

use serde_json::json;
use tarn_model::labels::LabelSet;
use tarn_model::sample::Exemplar;

use crate::support::{FRAME, Frame, NOW_MS, World, float, read};
use axum::body::Body;
use http::Method;

const T: i64 = NOW_MS / 1000;

async fn range(world: &World, query: &str) -> Frame {
    let path = format!("/query_range?query={query}&start={}&end={T}&step=15", T - 60);
    Frame::read(world.send(Method::GET, &path, &[("accept", FRAME)], Body::empty()).await).await
}

#[tokio::test]
async fn a_range_query_in_columns() {
    let world = World::new().await;
    world
        .write(|a| {
            let at = |n: i64| NOW_MS - 60_000 + n * 15_000;
            let ten = [("__name__", "up"), ("job", "a")];
            float(a, &ten, &[(at(0), 1.0), (at(1), 0.5), (at(4), 0.0)]);
            let late = [("__name__", "up"), ("job", "b\"\u{202e}")];
            float(a, &late, &[(at(2), f64::INFINITY)]);
        })
        .await;
    let frame = range(&world, "up").await;
    let times: Vec<f64> = (0..5).map(|n| (NOW_MS - 60_000 + n * 15_000) as f64).collect();
    assert_eq!(frame.named("time"), times);
    assert_eq!(frame.header["columns"][0]["unit"], "ms");
    assert_eq!(frame.header["columns"][1]["labels"], json!({"__name__": "up", "job": "a"}));
    assert_eq!(frame.column(1), [1.0, 0.5, 0.5, 0.5, 0.0]);
    assert_eq!(frame.header["columns"][2]["labels"]["job"], "b\"\u{202e}");
    assert!(frame.column(2)[..2].iter().all(|value| value.is_nan()), "gaps");
    assert_eq!(frame.column(2)[2..], [f64::INFINITY; 3]);
    assert_eq!(frame.header["stats"]["series"], 2);
    assert_eq!(frame.header["warnings"], json!([]));
    let none = range(&world, "none").await;
    assert_eq!(none.header["columns"].as_array().unwrap().len(), 1);
    // A mistake is answered as ever, and so is who asks for nothing else.
    let path = format!("/query_range?query=up(&start={T}&end={T}&step=15");
    let response = world.send(Method::GET, &path, &[("accept", FRAME)], Body::empty()).await;
    assert_eq!(read(response).await.status, 400);
    let instant = world.send(Method::GET, "/query?query=up", &[("accept", FRAME)], Body::empty());
    assert_eq!(read(instant.await).await.json()["data"]["resultType"], "vector");
}

#[tokio::test]
async fn exemplars_of_what_an_expression_selects() {
    let world = World::new().await;
    let exemplar = |trace: &str, value: f64, time_ms: i64| Exemplar {
        labels: LabelSet::from_pairs(&[("trace_id", trace)]),
        value,
        time_ms,
    };
    let (one, two) = ("0af7651916cd43dd8448eb211c80319c", "x7");
    world
        .write(|a| {
            for (job, traces) in [("a", [one, two]), ("b", [two, one])] {
                let labels =
                    LabelSet::from_pairs(&[("__name__", "m_bucket"), ("job", job), ("le", "1")]);
                let series = a.series(&labels).unwrap();
                a.float(series, NOW_MS - 5000, 1.0, 0).unwrap();
                for (n, trace) in traces.iter().enumerate() {
                    let at_ms = NOW_MS - 5000 + n as i64 * 500;
                    a.exemplar(series, exemplar(trace, 0.25, at_ms)).unwrap();
                }
            }
        })
        .await;
    let of_a = json!([{
        "seriesLabels": {"__name__": "m_bucket", "job": "a", "le": "1"},
        "exemplars": [
            {"labels": {"trace_id": one}, "value": "0.25", "timestamp": T - 5},
            {"labels": {"trace_id": two}, "value": "0.25", "timestamp": T as f64 - 4.5},
        ],
    }]);
    for place in ["memory", "blocks"] {
        let ask = async |query: &str, start: i64| {
            let path = format!("/query_exemplars?query={query}&start={start}&end={T}");
            world.get(&path).await.json()["data"].clone()
        };
        let quantile =
            "histogram_quantile(0.9,sum(rate(m_bucket%7Bjob%3D%22a%22%7D%5B5m%5D))by(le))";
        assert_eq!(ask(quantile, T - 60).await, of_a, "{place}");
        assert_eq!(ask("m_bucket", T - 60).await.as_array().unwrap().len(), 2);
        let late = ask("m_bucket%7Bjob%3D%22a%22%7D", T - 4).await;
        assert_eq!(late, json!([]), "{place}: before the range");
        assert_eq!(ask("other%2Bm_bucket%7Bjob%3D%22c%22%7D", 0).await, json!([]));
        let path = format!("/query_exemplars?query=m_bucket&start=0&end={T}&limit=1");
        let cut = world.get(&path).await.json();
        assert_eq!(cut["warnings"], json!(["results truncated due to limit"]), "{place}");
        world.flush().await;
    }
    for wrong in ["query=up&start=1", "query=up(&start=1&end=2", "query=up&start=2&end=1"] {
        let answer = world.get(&format!("/query_exemplars?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

#[tokio::test]
async fn queries_are_listed_and_ended() {
    let world = World::new().await;
    let answer = world.native("/queries").await.json();
    assert_eq!(answer["data"], json!({"running": [], "slow": []}));
    for id in ["7", "x"] {
        let request = http::Request::post(format!("/api/v1/queries/{id}/cancel"));
        let request = request.body(Body::empty()).unwrap();
        let endpoint = tarn_query::api::native::Endpoint::CancelQuery;
        let (engine, tenant) = (&world.engine, world.tenant.clone());
        let answer = tarn_query::api::native::handle(engine, endpoint, tenant, request).await;
        assert_eq!(read(answer).await.status, 404);
    }
}
