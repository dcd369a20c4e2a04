//! The messages that OTLP answers with, as wire bytes and as JSON.
//!
//! There are two, and both are small: the response of an export, which is empty unless something was
//! rejected or is worth a word, and `google.rpc.Status` with a `RetryInfo` where it makes sense to
//! come again. The field numbers of the first are the same for all signals.

use std::time::Duration;

use serde_json::{Value, json};
use tarn_model::error::{Direction, Error};
use tarn_model::rng::Rng;

use super::{BODY_BYTES_MAX, cut, retry_seconds};

/// Type of the only detail that is sent.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Codes of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) i32);

impl Code {
    pub(crate) const OK: Self = Self(0);
    pub(crate) const NOT_FOUND: Self = Self(5);
    pub(crate) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(crate) const UNIMPLEMENTED: Self = Self(12);
    pub(crate) const INTERNAL: Self = Self(13);
}

/// What became of a request that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Rows that were rejected.
    pub(crate) rejected: u64,
    /// What the sender should know; empty where there is nothing.
    pub(crate) message: String,
}

impl Outcome {
    /// Encodes `Export…ServiceResponse`.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        if *self != Self::default() {
            let mut partial = Vec::new();
            put_int(&mut partial, 1, self.rejected);
            put_bytes(&mut partial, 2, self.message.as_bytes());
            put_bytes(&mut wire, 1, &partial);
        }
        wire
    }

    /// Encodes the same as JSON; `rows` is what the signal calls its rows.
    pub(crate) fn to_json(&self, rows: &str) -> Value {
        if *self == Self::default() {
            return json!({});
        }
        // 64-bit numbers are text in the JSON of protobuf.
        let rejected = self.rejected.to_string();
        let message = &self.message;
        json!({ "partialSuccess": { format!("rejected{rows}"): rejected, "errorMessage": message } })
    }
}

/// `google.rpc.Status`: why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// When the same may be sent again.
    pub(crate) retry_after: Option<Duration>,
}

impl Status {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        cut(&mut message, BODY_BYTES_MAX);
        Self { code, message, retry_after: None }
    }

    /// Returns the row of the table of replies; the time to come again is spread.
    pub(crate) fn of(error: &Error, rng: &dyn Rng) -> Self {
        let reply = error.reply(Direction::Write);
        let retry_after = reply.retry_after.map(|a| Duration::from_secs(retry_seconds(a, rng)));
        Self { retry_after, ..Self::new(Code(reply.grpc), error.message()) }
    }

    /// Encodes the message.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        put_int(&mut wire, 1, u64::from(self.code.0.unsigned_abs()));
        put_bytes(&mut wire, 2, self.message.as_bytes());
        if let Some(after) = self.retry_after {
            let mut duration = Vec::new();
            put_int(&mut duration, 1, after.as_secs());
            let mut info = Vec::new();
            put_bytes(&mut info, 1, &duration);
            let mut any = Vec::new();
            put_bytes(&mut any, 1, RETRY_INFO.as_bytes());
            put_bytes(&mut any, 2, &info);
            put_bytes(&mut wire, 3, &any);
        }
        wire
    }

    /// Encodes the same as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({ "code": self.code.0, "message": self.message });
        if let Some(after) = self.retry_after {
            let delay = format!("{}s", after.as_secs());
            status["details"] = json!([{ "@type": RETRY_INFO, "retryDelay": delay }]);
        }
        status
    }
}

/// Puts a number; zero is the default and left out.
fn put_int(wire: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        wire.push(field << 3);
        put_varint(wire, value);
    }
}

/// Puts text or a message; empty text is the default and left out.
fn put_bytes(wire: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        wire.push(field << 3 | 2);
        put_varint(wire, bytes.len() as u64);
        wire.extend_from_slice(bytes);
    }
}

fn put_varint(wire: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        wire.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    wire.push(value as u8);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceResponse,
    };
    use prost::Message as _;

    use super::*;

    #[test]
    fn an_export_that_was_stored_whole_has_an_empty_answer() {
        assert!(Outcome::default().to_wire().is_empty());
        assert_eq!(Outcome::default().to_json("Spans"), json!({}));
    }

    #[test]
    fn what_was_rejected_is_told_in_both_forms() {
        for rejected in [0, 1, 127, 128, u64::from(u32::MAX)] {
            let outcome = Outcome { rejected, message: "käse".repeat(100) };
            let response = ExportLogsServiceResponse::decode(&*outcome.to_wire()).expect("decodes");
            let expected = ExportLogsPartialSuccess {
                rejected_log_records: rejected as i64,
                error_message: outcome.message.clone(),
            };
            assert_eq!(response.partial_success, Some(expected));
        }
        let json = Outcome { rejected: 3, message: "no".to_owned() }.to_json("LogRecords");
        let expected = json!({"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "no"}});
        assert_eq!(json, expected);
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct StatusOracle {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<AnyOracle>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct AnyOracle {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(message, optional, tag = "2")]
        value: Option<RetryInfoOracle>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct RetryInfoOracle {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<DurationOracle>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct DurationOracle {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }

    #[test]
    fn a_status_tells_when_to_come_again() {
        let mut status = Status::new(Code::RESOURCE_EXHAUSTED, "too fast");
        let plain = StatusOracle::decode(&*status.to_wire()).expect("decodes");
        assert_eq!((plain.code, &*plain.message, plain.details.len()), (8, "too fast", 0));
        assert_eq!(status.to_json(), json!({"code": 8, "message": "too fast"}));
        status.retry_after = Some(Duration::from_secs(300));
        let retry = StatusOracle::decode(&*status.to_wire()).expect("decodes");
        assert_eq!(retry.details[0].type_url, RETRY_INFO);
        let delay = retry.details[0].value.clone().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(DurationOracle { seconds: 300, nanos: 0 }));
        assert_eq!(status.to_json()["details"][0]["retryDelay"], "300s");
    }

    #[test]
    fn texts_are_bounded() {
        let status = Status::new(Code::INTERNAL, "é".repeat(10_000));
        assert!(status.message.len() <= BODY_BYTES_MAX);
    }
}
