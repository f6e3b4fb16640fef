//! How fast the API server is written to.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::bucket::Bucket;

/// Limits and delays. Tests shorten them; the product uses the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Writes and deletions in a second.
    pub per_second: u32,
    /// Writes and deletions at once.
    pub burst: u32,
    /// How long changes are gathered before they are looked at.
    pub gather: Duration,
    /// The start is delayed by up to this, so that the daemons of a cluster do not begin together.
    pub start: Duration,
    /// When to ask again whether objects can be written, after they could not.
    pub again: Duration,
    /// How often this node's objects are compared with what they are to be.
    pub compare: Duration,
    /// How often the node list is looked at for nodes that went.
    pub nodes: Duration,
    /// The objects of a node that went are deleted after up to this; the next in turn waits as
    /// long again.
    pub gone: Duration,
    /// How often one daemon of the cluster looks for objects of nodes that nobody saw go.
    pub sweep: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            per_second: 5,
            burst: 20,
            gather: Duration::from_secs(2),
            start: Duration::from_secs(30),
            again: Duration::from_secs(5 * 60),
            compare: Duration::from_secs(3600),
            nodes: Duration::from_secs(60),
            gone: Duration::from_secs(2 * 60),
            sweep: Duration::from_secs(3600),
        }
    }
}

/// A bucket that several tasks take from.
#[derive(Debug)]
pub(super) struct Limit(Mutex<Bucket>);

impl Limit {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self(Mutex::new(Bucket::new(per_second, burst, Instant::now())))
    }

    /// Waits for a token; who comes first is served first.
    pub(super) async fn token(&self) {
        let mut bucket = self.0.lock().await;
        while let Err(wait) = bucket.take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// A number by chance, without a library for it: what keeps hash tables from being attacked.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
