//! Why a test could not be run.

use std::time::Duration;

use super::OURS;

/// Why a test could not be run, which says nothing about policies.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The API server refused something or did not answer.
    #[error("{what}: {source}; docs/connectivity.md lists the rights that the test needs")]
    Api {
        /// What was asked for.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// A namespace of that name is somebody else's.
    #[error(
        "the namespace {0} exists and is not the test's (it has no label {OURS}): give another --namespace; \
         nothing was changed"
    )]
    NotOurs(String),
    /// There is no node for pods.
    #[error(
        "no node takes pods: each is not ready, cordoned, or tainted with NoSchedule or NoExecute"
    )]
    NoNode,
    /// The user wants a node that takes no pods.
    #[error(
        "there is no node {0} that takes pods: it is not ready, cordoned, or tainted with NoSchedule or NoExecute"
    )]
    NoSuchNode(String),
    /// Something does not come about.
    #[error("after {patience:?} still not: {what}{why}")]
    Waiting {
        /// What.
        what: String,
        /// What is known about it, with a comma before it.
        why: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// A pod cannot start.
    #[error("pod {pod} does not start: {why}; is the image right (--image)?")]
    Pod {
        /// Its name.
        pod: String,
        /// What the kubelet says.
        why: String,
    },
    /// The probes say nothing.
    #[error("nothing comes from the logs of {pod}: {why}")]
    Logs {
        /// The pod.
        pod: String,
        /// Why.
        why: String,
    },
    /// A case's policy cannot be read.
    #[error("the policies of {case} cannot be read: {why}")]
    Policy {
        /// The case.
        case: &'static str,
        /// Why.
        why: String,
    },
    /// Something went wrong, and then so did removing what was made.
    #[error("{first}; and not everything is removed: {removing}")]
    NotRemoved {
        /// What went wrong first.
        first: Box<Self>,
        /// Why things are left.
        removing: Box<Self>,
    },
    /// Somebody pressed Ctrl-C, or sent SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

impl TestError {
    /// The API server refused to do this.
    pub(super) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        |source| Self::Api {
            what,
            source: Box::new(source),
        }
    }
}
