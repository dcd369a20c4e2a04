use std::time::Duration;

use super::*;
use tarn_model::limits::Limit;

#[test]
fn every_error_has_its_code_and_type() {
    let second = Duration::from_secs(1);
    let text = |t: &str| t.to_owned();
    let rows = [
        (QueryError::BadData(text("x")), 400, "bad_data"),
        (QueryError::Execution(text("x")), 422, "execution"),
        (QueryError::Unsupported(text("x")), 422, "execution"),
        (QueryError::Limit(Limit::QuerySamples, text("x")), 422, "execution"),
        (QueryError::Timeout, 503, "timeout"),
        (QueryError::Canceled, 499, "canceled"),
        (QueryError::Source(Error::invalid("x")), 400, "bad_data"),
        (QueryError::Source(Error::not_found("x")), 404, "not_found"),
        (QueryError::Source(Error::limit("x")), 422, "execution"),
        (QueryError::Source(Error::unavailable("x", second)), 503, "unavailable"),
        (QueryError::Source(Error::corrupt("x")), 500, "internal"),
        (QueryError::Source(Error::internal("x")), 500, "internal"),
    ];
    for (error, code, error_type) in rows {
        let shown = format!("{error:?}");
        let failure = Failure::from(error);
        assert_eq!((failure.status.as_u16(), failure.error_type), (code, error_type), "{shown}");
    }
}

#[test]
fn who_should_come_again_is_told_when() {
    let busy = Failure::from(Error::unavailable("busy", Duration::from_millis(1500)));
    assert_eq!(busy.response().headers()[header::RETRY_AFTER], "2");
    let wrong = Failure::bad_data("wrong").response();
    assert!(wrong.headers().get(header::RETRY_AFTER).is_none());
}

#[test]
fn endpoints_have_paths_of_their_own() {
    let mut paths: Vec<&str> = Endpoint::ALL.iter().map(|e| e.path()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), Endpoint::ALL.len());
}
