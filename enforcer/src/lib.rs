//! The daemon and its command line, as a library so that tests can reach every part.
//!
//! ```text
//! source ─→ enforcer_policy ─→ datapath::writer ─→ kernel ─→ flow ─→ api ─→ cli
//! ```
//!
//! [`daemon`] is the only place where the stages meet.

#![forbid(unsafe_code)]

pub mod api;
mod background;
pub mod claims;
pub mod cli;
pub mod cni;
pub mod connectivity;
pub mod daemon;
pub mod datapath;
pub mod engines;
pub mod export;
pub mod fleet;
pub mod flow;
pub mod http;
pub mod hubble;
pub mod kubernetes;
pub mod lint;
pub mod overview;
pub mod recorded;
pub mod report;
pub mod screen;
pub mod source;
pub mod suggest;
pub mod trace;
pub mod ui;
