//! All scans of a query see the same rows (VIS-2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::world::{ROWS, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_counts_the_same_rows_twice_while_others_write() {
    let world = Arc::new(World::new().await);
    let done = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (world, done) = (Arc::clone(&world), Arc::clone(&done));
        async move {
            let mut next = ROWS;
            while !done.load(Ordering::Acquire) {
                world.append_logs(next, next + 10).await;
                next += 10;
            }
            next
        }
    });
    let twice = "SELECT a.n, b.n FROM (SELECT count(body) AS n FROM logs) AS a \
                 CROSS JOIN (SELECT count(timestamp) AS n FROM logs) AS b";
    for _ in 0..150 {
        let rows = world.must(twice).await;
        assert_eq!(rows[0][0], rows[0][1], "VIS-2");
    }
    done.store(true, Ordering::Release);
    let written = writer.await.unwrap();
    assert!(written > ROWS, "nothing was written meanwhile");
    assert_eq!(world.must("SELECT count(*) FROM logs").await, [[written.to_string()]]);
}
