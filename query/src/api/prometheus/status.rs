//! `status/buildinfo` and `status/runtimeinfo`.

use crate::api::json;
use crate::api::prometheus::time::format_rfc3339;
use crate::api::reply::{Gone, Remarks, Sink};
use crate::engine::Engine;

/// The Prometheus whose API and language are answered. Clients look at it to find out what they may
/// ask for. No `application` and no `features`: with them Grafana takes the server for a Mimir, and
/// offers to edit rules.
const PROMETHEUS_VERSION: &str = "3.14.0";

/// Tells the version.
pub(super) async fn build_info(engine: &Engine, sink: Sink) -> Result<(), Gone> {
    let options = engine.options();
    let fields = [
        ("version", PROMETHEUS_VERSION.to_owned()),
        ("revision", options.revision.clone()),
        ("branch", format!("tarn-{}", options.version)),
        ("buildUser", String::new()),
        ("buildDate", String::new()),
        ("goVersion", String::new()),
    ];
    let fields: Vec<(&str, Field)> =
        fields.into_iter().map(|(name, text)| (name, Field::Text(text))).collect();
    object(&fields, sink).await
}

/// Tells what is known of the process without looking beyond this crate.
pub(super) async fn runtime_info(engine: &Engine, sink: Sink) -> Result<(), Gone> {
    let start = format_rfc3339(engine.started().as_millis());
    let now = format_rfc3339(engine.clock().now().as_millis());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let fields = [
        ("startTime", Field::Text(start.clone())),
        ("serverTime", Field::Text(now)),
        ("reloadConfigSuccess", Field::Literal("true".to_owned())),
        ("lastConfigTime", Field::Text(start)),
        ("corruptionCount", Field::Literal("0".to_owned())),
        ("GOMAXPROCS", Field::Literal(cores.to_string())),
        ("storageRetention", Field::Text(String::new())),
    ];
    object(&fields, sink).await
}

enum Field {
    Text(String),
    /// A number or a truth value, as it stands.
    Literal(String),
}

async fn object(fields: &[(&str, Field)], mut sink: Sink) -> Result<(), Gone> {
    sink.open();
    for (i, (name, field)) in fields.iter().enumerate() {
        sink.out.push(if i == 0 { b'{' } else { b',' });
        json::string(&mut sink.out, name);
        sink.out.push(b':');
        match field {
            Field::Text(text) => json::string(&mut sink.out, text),
            Field::Literal(text) => sink.out.extend_from_slice(text.as_bytes()),
        }
    }
    sink.out.push(b'}');
    sink.close(&Remarks::default()).await
}
