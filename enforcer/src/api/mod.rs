//! The daemon's socket: newline-delimited JSON over a Unix stream socket.
//!
//! A client sends one [`Request`] on one line. The daemon answers `status` with one [`Status`] on
//! one line, `flows` with one [`flows::Line`] a line, without end when following, and `cut` with one
//! [`CutAnswer`] on one line. `hold`, `release` and `retain` come from the CNI plugin and are answered
//! by one [`Held`] on one line.

pub mod client;
pub mod flows;
pub mod holds;
pub mod server;
pub mod status;

use enforcer_cni::protocol::{Hold, Release, Retain};
use serde::{Deserialize, Serialize};

pub use enforcer_cni::protocol::Held;
pub use status::Status;

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
    /// Flow records.
    Flows(flows::Request),
    /// Which live connections a change of manifests would cut.
    Cut(Change),
    /// A pod's start waits for its endpoint.
    Hold(Hold),
    /// A container's network is gone.
    Release(Release),
    /// All other networks of containers are gone.
    Retain(Retain),
}
