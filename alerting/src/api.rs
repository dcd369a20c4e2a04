//! The interfaces: Prometheus' rules and alerts, Alertmanager's second version, our own.

pub mod alertmanager_v2;
