//! Talking to the Kubernetes API server.

pub mod client;
pub mod daemonset;
