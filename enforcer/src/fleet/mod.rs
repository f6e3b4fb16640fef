//! The daemons of a cluster, asked one by one through the Kubernetes API's port-forward.
//!
//! Which nodes should have a daemon the `DaemonSet` says ([`expected`]), where daemons are its pods say
//! ([`daemons`]). Each is asked over a connection of its own (`forward`, [`ask`]); one that does not
//! answer is told as such and holds up nobody. Their flow records become one stream by time ([`merge`],
//! [`flows`]).

pub mod ask;
pub mod daemons;
mod error;
pub mod expected;
pub mod flows;
mod forward;
pub mod merge;
mod objects;
pub mod status;

pub use error::FleetError;

/// The namespace of the daemons unless `--enforcer-namespace` says otherwise: that of the docs.
pub const NAMESPACE: &str = "enforcer-system";
/// The name of their `DaemonSet`, which the chart fixes.
pub const DAEMONSET: &str = "enforcer";
