//! The daemon's socket: newline-delimited JSON over a Unix stream socket.
//!
//! A client sends one [`Request`] on one line. The daemon answers `status` with one [`Status`] on
//! one line, `summary` with one [`Summary`](crate::screen::Summary), `flows` with one [`flows::Line`] a line,
//! without end when following, `cut` with one [`CutAnswer`], `overview` with one [`OverviewAnswer`],
//! `trace` with one [`TraceAnswer`], `suggest` and `replay` with one [`recorded::RecordedAnswer`] on one line. `hold`, `release` and `retain` come from the CNI plugin and
//! are answered by one [`Held`] on one line.
//!
//! What only reads is answered over TCP too, where [`tcp`] is switched on: that is how port-forwarding of
//! the Kubernetes API gets here.

pub mod client;
pub mod flows;
pub mod holds;
mod peer;
pub mod recorded;
pub mod server;
pub mod status;
pub mod tcp;
pub mod trace;

use enforcer_cni::protocol::{Hold, Release, Retain};
use serde::{Deserialize, Serialize};

pub use enforcer_cni::protocol::Held;
pub use status::Status;
pub use trace::TraceAnswer;

use crate::overview::Overview;
use crate::trace::Question;
use crate::trace::cut::{Change, Report};

/// Where the socket is unless `--socket` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/enforcer/enforcer.sock";

/// The answer to `cut`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CutAnswer {
    /// What the change would do.
    Report(Report),
    /// Nobody can say.
    Failed {
        /// Why.
        error: String,
    },
}

/// The answer to `overview`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OverviewAnswer {
    /// Pods and policies.
    Overview(Overview),
    /// What the client has is still so.
    Same {
        /// Its revision.
        same: u64,
    },
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// The daemon's state.
    Status {
        /// Read manifests and links anew before answering, so that the answer is about what they
        /// are now.
        #[serde(default)]
        refresh: bool,
    },
    /// The daemon's state in numbers, and what is wrong.
    Summary,
    /// Flow records.
    Flows(flows::Request),
    /// Which live connections a change of manifests would cut.
    Cut(Change),
    /// Pods and policies of the cluster.
    Overview {
        /// The revision that the client has.
        #[serde(default)]
        known: Option<u64>,
    },
    /// What becomes of a new connection.
    Trace(Question),
    /// Policies from the daemon's records.
    Suggest(recorded::SuggestRequest),
    /// The daemon's records under other policies.
    Replay(recorded::ReplayRequest),
    /// A pod's start waits for its endpoint.
    Hold(Hold),
    /// A container's network is gone.
    Release(Release),
    /// All other networks of containers are gone.
    Retain(Retain),
}
