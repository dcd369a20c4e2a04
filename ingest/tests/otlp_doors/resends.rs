//! IDM-1: a request that is sent again is acknowledged again and stored once.

use prost::Message as _;
use tarn_model::limits::Limits;
use tarn_model::signal::Signal;

use super::bodies::{compress, frame, half_bad, logs, request};
use super::doors::Doors;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const DUPLICATES: &str = "tarn_ingest_duplicate_requests_total";

#[tokio::test]
async fn idm_1_a_resend_is_stored_once_over_any_door_and_across_restarts() {
    let doors = Doors::open(Limits::default()).await;
    for signal in [Signal::Logs, Signal::Traces, Signal::Metrics] {
        let (wire, _) = request(signal, "once");
        for _ in 0..3 {
            assert_eq!(doors.http(signal, &[PROTOBUF], wire.clone()).await.status, 200);
        }
        let call = doors.grpc(signal, &[], frame(false, &wire)).await;
        assert_eq!(call.code, "0");
        let headers = [PROTOBUF, ("content-encoding", "gzip")];
        assert_eq!(doors.http(signal, &headers, compress("gzip", &wire)).await.status, 200);
    }
    let first = doors.http(Signal::Traces, &[PROTOBUF], half_bad()).await;
    assert_eq!((doors.rows(), doors.count(DUPLICATES, &[])), (4, 12));
    let doors = doors.reopen().await;
    for signal in [Signal::Logs, Signal::Traces, Signal::Metrics] {
        let (wire, _) = request(signal, "once");
        assert_eq!(doors.http(signal, &[PROTOBUF], wire).await.status, 200);
    }
    let again = doors.http(Signal::Traces, &[PROTOBUF], half_bad()).await;
    assert_eq!((doors.rows(), doors.count(DUPLICATES, &[])), (0, 4));
    // The counts are the same, the words need not be: 1 rejected is 0x08 0x01.
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body[2..4], [0x08, 0x01]);
    assert_eq!(again.body[2..4], [0x08, 0x01]);
    doors.stop().await;
}

#[tokio::test]
async fn idm_1_resends_at_the_same_time_are_stored_once() {
    let doors = Doors::open(Limits::default()).await;
    let (wire, _) = request(Signal::Logs, &"large enough for a thread ".repeat(10_000));
    let sends = (0..16).map(|_| doors.http(Signal::Logs, &[PROTOBUF], wire.clone()));
    let answers = futures::future::join_all(sends).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!((doors.rows(), doors.count(DUPLICATES, &[])), (1, 15));
    doors.stop().await;
}

#[tokio::test]
async fn idm_1_a_sender_that_leaves_finds_its_request_stored() {
    let doors = Doors::open(Limits::default()).await;
    let (wire, _) = request(Signal::Logs, &"large enough for a thread ".repeat(10_000));
    {
        let mut send = Box::pin(doors.http(Signal::Logs, &[PROTOBUF], wire.clone()));
        // Polled until the whole body is read, then dropped, as when a client gives up.
        for _ in 0..3 {
            assert!(futures::poll!(&mut send).is_pending());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(doors.http(Signal::Logs, &[PROTOBUF], wire).await.status, 200);
    assert_eq!((doors.rows(), doors.count(DUPLICATES, &[])), (1, 1));
    doors.stop().await;
}

/// Two requests with rows that do not say when they happened may well be two.
#[tokio::test]
async fn idm_1_rows_without_a_time_are_not_recognised() {
    let doors = Doors::open(Limits::default()).await;
    let untimed = logs(0, "tick").encode_to_vec();
    for _ in 0..2 {
        assert_eq!(doors.http(Signal::Logs, &[PROTOBUF], untimed.clone()).await.status, 200);
    }
    assert_eq!((doors.rows(), doors.count(DUPLICATES, &[])), (2, 0));
    doors.stop().await;
}

#[tokio::test]
async fn idm_1_tenants_and_refusals_have_nothing_to_do_with_it() {
    let doors = Doors::open(Limits::default()).await;
    let broken = b"broken".to_vec();
    for _ in 0..2 {
        assert_eq!(doors.http(Signal::Logs, &[PROTOBUF], broken.clone()).await.status, 400);
    }
    assert_eq!(doors.count(DUPLICATES, &[]), 0);
    doors.stop().await;
}
