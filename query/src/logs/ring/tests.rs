use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tarn_model::time::{Clock, Sleep, UnixNanos};

use super::{Lines, OVERHEAD, Ring};

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

fn ring(lines: usize) -> Arc<Ring> {
    Ring::new(lines * (3 + OVERHEAD), Arc::new(Still))
}

fn line(n: u32) -> Vec<u8> {
    format!("{n:02}\n").into_bytes()
}

async fn read(ring: &Arc<Ring>) -> Vec<String> {
    let lines = Lines { ring: Arc::clone(ring), _filled_by: () };
    let text = |chunk: std::io::Result<bytes::Bytes>| {
        String::from_utf8(chunk.expect("no error").to_vec()).expect("text")
    };
    lines.map(text).collect().await
}

#[tokio::test]
async fn the_oldest_go_and_are_counted() {
    let ring = ring(3);
    ring.push((0..5).map(line));
    ring.close();
    assert_eq!(read(&ring).await, ["{\"skipped\":2}\n02\n03\n04\n"]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_skipped_and_requests_are_told_apart() {
    let ring = ring(3);
    ring.push([vec![b'x'; 1000]]);
    ring.miss(7);
    ring.push([line(1)]);
    ring.close();
    assert_eq!(read(&ring).await, ["{\"skipped\":1,\"missed_requests\":7}\n01\n"]);
}

#[tokio::test]
async fn what_comes_later_wakes_the_reader() {
    let ring = ring(100);
    let reader = tokio::spawn({
        let ring = Arc::clone(&ring);
        async move { read(&ring).await.concat() }
    });
    for n in 0..50 {
        tokio::task::yield_now().await;
        ring.push([line(n)]);
    }
    ring.close();
    let expected: Vec<u8> = (0..50).flat_map(line).collect();
    assert_eq!(reader.await.expect("reads").as_bytes(), expected);
}
