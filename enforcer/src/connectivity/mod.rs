//! A test of what a cluster does to connections: `enforcer connectivity test`.
//!
//! ```text
//! cases ─→ stage (namespaces, pods, services) ─→ run (a policy, real attempts) ─→ report
//!              serve ←──────── probe ─→ logs ─→ evidence ──┘
//! ```
//!
//! Pods of our own image try each other all the time and write down every attempt ([`probe`], [`serve`]). The
//! test reads that by way of the API server's logs: nothing is executed in pods and no port is forwarded.
//! What is judged is connections alone; what daemons say about policies only explains what is broken.

pub mod attempt;
pub mod cases;
mod error;
mod evidence;
mod logs;
mod objects;
mod policies;
pub mod probe;
pub mod report;
mod run;
pub mod serve;
mod stage;
mod told;

pub use error::TestError;
pub use run::{Options, Pace, Progress, daemons_image, run};

/// The label of every namespace that the test makes, and the only ones that it removes.
pub const OURS: &str = "enforcer.dev/connectivity-test";
