//! Promises that queries keep, by their ids.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode};
use tarn_model::limits::Limits;
use tarn_testkit::tasks::HeldTasks;

use crate::support::{NOW_MS, World, float, read};

const HEADER: &str = "Tarn-Partial";

/// Series that appear while VIS-2 is tested, and how many of them make a flush.
const SERIES: usize = 200;
const FLUSH_EVERY: usize = 50;

/// PAR-1: while the log replays, rows may be missing, and every answer that reads rows says so.
#[tokio::test]
async fn par_1_answers_during_the_replay_are_marked() {
    let tasks = HeldTasks::default();
    let world = World::open(Limits::default(), Arc::new(tasks.clone())).await;
    let requests = [
        "/query?query=up",
        "/query_range?query=up&start=0&end=1&step=1",
        "/labels",
        "/label/job/values",
        "/series?match[]=up",
        "/metadata",
    ];
    for request in requests {
        let response = world.send(Method::GET, request, &[], Body::empty()).await;
        assert_eq!(response.headers()[HEADER], "true", "{request}");
        let answer = read(response).await;
        assert_eq!(answer.status, StatusCode::OK, "{request}");
        assert_eq!(answer.json()["warnings"].as_array().map(Vec::len), Some(1), "{request}");
    }
    let tenant = &world.tenant;
    let now = world.engine.instant(tenant, "up", NOW_MS, tarn_query::QueryOptions::default());
    assert!(now.await.unwrap().partial.is_some(), "rules can tell");

    // The replay starts further threads while it runs.
    let mut replayed = std::pin::pin!(world.storage.replayed());
    let moment = Duration::from_millis(5);
    while tokio::time::timeout(moment, &mut replayed).await.map(Result::unwrap).is_err() {
        for (_, work) in tasks.take_threads() {
            std::thread::spawn(work);
        }
    }
    for request in requests {
        let response = world.send(Method::GET, request, &[], Body::empty()).await;
        assert!(response.headers().get(HEADER).is_none(), "{request}");
        assert!(read(response).await.json().get("warnings").is_none(), "{request}");
    }
}

/// VIS-2: both sides of an operator see the same rows, whatever is written and flushed meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vis_2_a_query_reads_from_one_view() {
    let world = Arc::new(World::new().await);
    let written = Arc::new(AtomicUsize::new(0));
    let writer = tokio::spawn({
        let (world, count) = (Arc::clone(&world), Arc::clone(&written));
        async move {
            for written in 1..=SERIES {
                let name = written.to_string();
                let labels = [("__name__", "m"), ("i", name.as_str())];
                world.write(|a| float(a, &labels, &[(NOW_MS, 1.0)])).await;
                if written % FLUSH_EVERY == 0 {
                    world.flush().await;
                }
                count.store(written, Ordering::Relaxed);
            }
        }
    });
    let mut compared = 0;
    while written.load(Ordering::Relaxed) < SERIES {
        let answer = world.get("/query?query=count(m)-count(%7Bi%3D~%22.%2B%22%7D)").await.json();
        let result = answer["data"]["result"].as_array().unwrap();
        let difference = result.first().map(|row| row["value"][1].as_str().unwrap().to_owned());
        assert!(difference.as_deref().is_none_or(|d| d == "0"), "{answer}");
        compared += 1;
    }
    writer.await.unwrap();
    assert!(compared > 0, "queries ran beside the writes");
}
