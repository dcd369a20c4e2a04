//! The boards that are built in: the files of `ui/dashboards`, read-only, copied to be changed.

use std::sync::LazyLock;

use super::model::{self, Dashboard, Format, Problem};

#[cfg(test)]
mod tests;

macro_rules! boards {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../dashboards/", $name, ".yaml")))),*]
    };
}

/// Name and text of every board, in the order in which they are shown.
const FILES: &[(&str, &str)] = boards![
    "service-red",
    "http-server",
    "slo",
    "tarn",
    "host",
    "node-exporter",
    "kubernetes-cluster",
    "kubernetes-workload",
    "otel-collector",
    "runtime-go",
    "runtime-jvm",
    "runtime-node",
    "runtime-python",
    "postgres",
    "redis",
    "kafka",
    "nginx",
];

static BOARDS: LazyLock<Vec<Dashboard>> =
    LazyLock::new(|| FILES.iter().filter_map(|(_, text)| read(text).ok()).collect());

fn read(text: &str) -> Result<Dashboard, Vec<Problem>> {
    model::read(text, Format::Yaml)
}

/// Returns the boards. One that cannot be read is left out; a test reads them all.
pub fn boards() -> &'static [Dashboard] {
    &BOARDS
}

/// Returns a board.
pub fn board(name: &str) -> Option<&'static Dashboard> {
    boards().iter().find(|board| board.name() == name)
}
