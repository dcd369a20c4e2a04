use axum::body::HttpBody;
use http_body_util::BodyExt;
use tarn_model::time::{Sleep, UnixNanos};

use super::*;

/// A clock on which sleeping is a thousand times shorter.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration / 1000))
    }
}

async fn answer<F>(work: impl FnOnce(Sink) -> F) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    answer_within(Duration::from_secs(36_000), work).await
}

async fn answer_within<F>(patience: Duration, work: impl FnOnce(Sink) -> F) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
{
    let clock: Arc<dyn Clock> = Arc::new(Hasty);
    let (runtime, cancel) = (Handle::current(), Cancel::default());
    run(Terms { runtime: &runtime, clock: &clock, cancel, patience }, work).await
}

#[tokio::test]
async fn a_computation_that_does_not_end_keeps_nobody_waiting() {
    let response = answer_within(Duration::from_secs(10), |sink| async {
        std::future::pending::<()>().await;
        drop(sink);
    });
    let response = response.await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body = response.into_body().collect().await.expect("whole").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("query timed out"), "{body:?}");
}

async fn chunks(mut sink: Sink, count: usize) -> Result<(), Gone> {
    sink.mark_partial();
    sink.open();
    for _ in 0..count {
        sink.out.resize(CHUNK, b' ');
        sink.send_full().await?;
    }
    sink.out.extend_from_slice(b"[]");
    sink.close(&Remarks::default()).await
}

#[tokio::test]
async fn a_small_answer_has_its_length() {
    let response = answer(|sink| async { chunks(sink, 0).await.expect("somebody listens") }).await;
    assert_eq!(response.headers()[PARTIAL], "true");
    let size = response.body().size_hint();
    let bytes = response.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(bytes, r#"{"status":"success","data":[]}"#);
    assert_eq!(size.exact(), Some(bytes.len() as u64));
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let response = answer(|sink| async { chunks(sink, 20).await.expect("somebody listens") }).await;
    assert_eq!(response.headers()[PARTIAL], "true");
    let bytes = response.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(bytes.len(), 20 * CHUNK + "[]}".len());
}

#[tokio::test]
async fn who_reads_no_more_gets_an_error_instead_of_a_short_answer() {
    let response = answer(|sink| async {
        chunks(sink, 20).await.expect_err("stalled");
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = response.into_body().collect().await.expect_err("cut off");
    assert!(format!("{error:?}").contains("the query was stopped"), "{error:?}");
}

#[tokio::test]
async fn a_panic_of_the_task_goes_on_in_the_handler() {
    let handler = tokio::spawn(answer(|_sink| async { panic!("kernel") }));
    let panic = handler.await.expect_err("panics").into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"kernel"));
}

#[test]
fn remarks_beyond_the_tenth_are_counted() {
    let texts = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    let annotations = tarn_promql::query::Annotations { warnings: texts(12), infos: texts(10) };
    let remarks = Remarks::of(&annotations);
    assert_eq!(remarks.warnings.len(), 11);
    assert_eq!(
        remarks.warnings.last().map(String::as_str),
        Some("2 more warning annotations omitted")
    );
    assert_eq!(remarks.infos.len(), 10);
}
