//! Metrics, alerts and dashboard by Prometheus' own tool, exported records by the OpenTelemetry Collector's reader. Needs the programs of `cargo xtask test`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at its first surprise"
)]

mod alerts;
mod dashboard;
mod export;
#[path = "../common/http.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod http;
mod page;
#[path = "../common/promtool.rs"]
mod promtool;
