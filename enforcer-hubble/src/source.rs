//! Where records come from. The daemon has them; so this crate knows neither its store nor its kernel.

use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_flows::{Page, Query};
use tokio::sync::watch;

/// Where records come from.
pub trait Source: Send + Sync + 'static {
    /// Reads what one query wants.
    type Reader: Reader;

    /// Begins to read.
    fn read(&self, query: Query) -> Self::Reader;

    /// How much there is.
    fn extent(&self) -> Extent;

    /// How long the daemon has been there.
    fn uptime(&self) -> Duration;

    /// The namespaces of the cluster; `None` when nobody can say.
    fn namespaces(&self) -> impl Future<Output = Option<Vec<String>>> + Send;

    /// The nodes that are known, this one too if it can be reached, and whatever becomes of them.
    fn peers(&self) -> watch::Receiver<Peers>;
}

/// The observers of other nodes: `ADDRESS:PORT` by the name of the node.
pub type Peers = BTreeMap<String, String>;

/// Reads what one query wants.
pub trait Reader: Send + 'static {
    /// What comes next, and `None` at the end. May be dropped while it waits without anything being lost.
    fn next(&mut self) -> impl Future<Output = Option<Page>> + Send;
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Records that are kept.
    pub kept: u64,
    /// Records that are kept at most.
    pub most: u64,
    /// Records since the daemon is.
    pub seen: u64,
}
