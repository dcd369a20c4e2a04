//! Live tails: records as they are stored, for clients that keep up, that do not, and that go.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use http::{Request, StatusCode};
use serde_json::Value;
use tarn_query::api::native::{Endpoint, handle};
use tarn_testkit::sim::SimRng;

use crate::counts::{encode, lines, rows};
use crate::support::{World, read};

/// Far beyond what any line takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Tail {
    body: BodyDataStream,
    text: String,
}

impl Tail {
    async fn begin(world: &World, search: &str) -> Self {
        let uri = format!("/api/v1/logs/tail?q={}", encode(search));
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let response =
            handle(&world.engine, Endpoint::LogsTail, world.tenant.clone(), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        let mut tail = Self { body: response.into_body().into_data_stream(), text: String::new() };
        assert!(tail.line().await.unwrap()["beat"].is_i64(), "it says at once that it lives");
        tail
    }

    /// Returns the next line, `None` at the end.
    async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let value = serde_json::from_str(line).unwrap();
                self.text = rest.to_owned();
                return Some(value);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await.unwrap()?;
            self.text += std::str::from_utf8(&chunk.unwrap()).unwrap();
        }
    }

    /// Returns the next line that is no beat.
    async fn event(&mut self) -> Option<Value> {
        loop {
            let line = self.line().await?;
            if line.get("beat").is_none() {
                return Some(line);
            }
        }
    }
}

#[tokio::test]
async fn what_is_stored_and_wanted_is_told_in_its_order() {
    let mut world = World::new().await;
    let all = lines(&SimRng::new(21), 60);
    world.rows(rows(&all[..10])).await;
    let mut whole = Tail::begin(&world, "").await;
    let mut some = Tail::begin(&world, "service:cart even").await;
    let tenant =
        std::mem::replace(&mut world.tenant, tarn_model::tenant::TenantId::parse("other").unwrap());
    world.rows(rows(&all[..10])).await;
    world.tenant = tenant;
    for part in all[10..].chunks(7) {
        world.rows(rows(part)).await;
        world.flush().await;
    }
    for line in &all[10..] {
        let event = whole.event().await.unwrap();
        assert_eq!(event["row"]["attributes"]["n"], line.n);
        if line.service == "cart" && line.n % 2 == 0 {
            // Written as a search writes it.
            assert_eq!(some.event().await.unwrap(), event);
        }
    }
    assert!(world.has_metric("tarn_query_tails 2"), "{}", world.metrics("tarn_query"));
    world.engine.stop_tails();
    assert_eq!(whole.event().await, None, "it ends when the server stops");
    assert_eq!(some.event().await, None);
    let request = Request::get("/api/v1/logs/tail").body(Body::empty()).unwrap();
    let late = handle(&world.engine, Endpoint::LogsTail, world.tenant.clone(), request).await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_lost_and_goes_on() {
    let world = World::new().await;
    let all = lines(&SimRng::new(22), 25_000);
    let mut tail = Tail::begin(&world, "").await;
    for part in all.chunks(5000) {
        world.rows(rows(part)).await;
    }
    let last = lines(&SimRng::new(23), 1);
    world.rows(rows(&last)).await;
    let (mut skipped, mut told) = (0, 0);
    while skipped + told < 25_001 {
        let event = tail.event().await.unwrap();
        match event["skipped"].as_u64() {
            Some(n) => skipped += n,
            None => told += 1,
        }
    }
    // How much depends on how fast rows are made and read; that it is told does not.
    assert!(skipped > 0 && told > 2000, "{skipped} skipped, {told} told");
    world.rows(rows(&last)).await;
    assert_eq!(tail.event().await.unwrap()["row"]["attributes"]["n"], 0);
    assert_eq!(told + skipped, 25_001);
}

#[tokio::test]
async fn tails_are_bounded_and_end_with_their_clients() {
    // LIM-1
    let world = World::new().await;
    let mut tails = Vec::new();
    for _ in 0..32 {
        tails.push(Tail::begin(&world, "").await);
    }
    let request = || Request::get("/api/v1/logs/tail").body(Body::empty()).unwrap();
    let tenant = || world.tenant.clone();
    let refused = handle(&world.engine, Endpoint::LogsTail, tenant(), request()).await;
    assert!(refused.headers().contains_key("retry-after"));
    let refused = read(refused).await;
    assert_eq!(
        refused.line(),
        r#"503 {"status":"error","errorType":"unavailable","error":"too many live tails, limit is 32 at once"}"#
    );
    drop(tails);
    tokio::time::timeout(PATIENCE, async {
        while !world.has_metric("tarn_query_tails 0") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert!(world.has_metric("tarn_query_memory_bytes 0"), "{}", world.metrics("tarn_query"));
    Tail::begin(&world, "").await;
    let wrong = Request::get("/api/v1/logs/tail?q=%28a").body(Body::empty()).unwrap();
    let wrong = read(handle(&world.engine, Endpoint::LogsTail, tenant(), wrong).await).await;
    assert!(wrong.line().starts_with("400 ") && wrong.body.contains("not closed"));
}
