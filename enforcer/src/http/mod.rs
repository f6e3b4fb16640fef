//! What machines ask over HTTP: `/healthz`, `/readyz` and `/metrics`.
//!
//! Served by a thread of its own, so that a daemon that is busy or stuck is found out by its
//! silence instead of silencing its judge.

mod encode;
mod form;
pub mod health;
mod metrics;
pub mod numbers;
mod process;
mod serve;

pub use self::serve::{Http, HttpError, start};
