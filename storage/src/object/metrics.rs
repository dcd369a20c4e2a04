//! Counters of the object store: `tarn_object_store_*`.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tarn_model::metrics;

/// What was asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Get,
    GetRange,
    Head,
    List,
    Create,
    Put,
    Delete,
}

impl Operation {
    /// The word in messages: `read object …`.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Get | Self::GetRange => "read",
            Self::Head => "look up",
            Self::List => "list",
            Self::Create => "create",
            Self::Put => "write",
            Self::Delete => "delete",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::Head => "head",
            Self::List => "list",
            Self::Create => "create",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }
}

impl EncodeLabelValue for Operation {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.label(), encoder)
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Ok,
    NotFound,
    Exists,
    Timeout,
    Error,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let label = match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Timeout => "timeout",
            Self::Error => "error",
        };
        EncodeLabelValue::encode(&label, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    op: Operation,
    status: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    op: Operation,
}

/// The counters, registered once.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<OperationLabels, Histogram>,
    bytes: Family<OperationLabels, Counter>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        let seconds = Family::<OperationLabels, Histogram>::new_with_constructor(new_histogram);
        let bytes = Family::default();
        let name = metrics::OBJECT_STORE_REQUESTS;
        registry.register(name.name, name.help, requests.clone());
        let name = metrics::OBJECT_STORE_SECONDS;
        registry.register(name.name, name.help, seconds.clone());
        let name = metrics::OBJECT_STORE_BYTES;
        registry.register(name.name, name.help, bytes.clone());
        Self { requests, seconds, bytes }
    }

    pub(super) fn request(&self, op: Operation, status: Outcome, taken: Duration) {
        self.requests.get_or_create(&RequestLabels { op, status }).inc();
        self.seconds.get_or_create(&OperationLabels { op }).observe(taken.as_secs_f64());
    }

    pub(super) fn moved(&self, op: Operation, bytes: usize) {
        self.bytes.get_or_create(&OperationLabels { op }).inc_by(bytes as u64);
    }
}

/// Local disks answer below a millisecond, S3 in 10–500 ms, uploads take seconds.
fn new_histogram() -> Histogram {
    Histogram::new([0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0])
}
