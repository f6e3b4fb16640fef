//! What can go wrong while listing and watching, and what it means for the next attempt.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use kube::core::Status;

use super::kinds::Resource;
use crate::kubernetes::client::ConnectError;

/// Why a list or a watch ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What happened since the last event is forgotten by the server: all must be listed anew.
    #[error("the API server has forgotten what happened meanwhile, so everything is listed anew")]
    Expired,
    /// Not allowed.
    #[error(
        "{message}; bind the service account to a ClusterRole that allows it: apiGroups [{group:?}], \
         resources [{plural:?}], verbs [\"list\", \"watch\"] (missing: {verb:?})",
        group = resource.group, plural = resource.plural
    )]
    Forbidden {
        /// On what.
        resource: Resource,
        /// To do what.
        verb: &'static str,
        /// The server's words.
        message: String,
    },
    /// The credentials are not accepted.
    #[error("the API server does not accept the credentials: {0}")]
    Unauthorized(String),
    /// The server does not understand the request. Of streaming lists: it has none.
    #[error("the API server refuses the request: {0}")]
    Invalid(String),
    /// The server says that something is wrong with it.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The code.
        code: u16,
        /// Its words.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No answer.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended.
    #[error("the connection to the API server broke: {0}")]
    Cut(#[source] io::Error),
    /// Nothing came.
    #[error("nothing came from the API server for {} s", .0.as_secs())]
    Silent(Duration),
    /// The list ended before its end.
    #[error("the list ended before it was whole")]
    Half,
    /// The watch ended at once, again and again.
    #[error("the API server ends the watch as soon as it has begun")]
    Brief,
    /// What came is not what the API says.
    #[error("the API server's answer is not understood: {0}")]
    Unintelligible(#[source] serde_json::Error),
    /// There is no client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Failure {
    /// What an answer with an error means.
    pub(super) fn of_status(status: &Status, resource: Resource, verb: &'static str) -> Self {
        let message = if status.message.is_empty() {
            status.reason.clone()
        } else {
            status.message.clone()
        };
        let asked = status.details.as_ref();
        let asked = asked.map(|details| details.retry_after_seconds);
        match status.code {
            410 => Self::Expired,
            _ if matches!(status.reason.as_str(), "Expired" | "Gone") => Self::Expired,
            403 => Self::Forbidden {
                resource,
                verb,
                message,
            },
            401 => Self::Unauthorized(message),
            400 | 422 => Self::Invalid(message),
            code => Self::Refused {
                code,
                message,
                retry_after: asked
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Duration::from_secs(seconds.into())),
            },
        }
    }

    /// What an error of the client means.
    pub(super) fn of_client(error: kube::Error, resource: Resource, verb: &'static str) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(&status, resource, verb),
            kube::Error::SerdeError(error) => Self::Unintelligible(error),
            kube::Error::ReadEvents(error) => Self::Cut(error),
            error => Self::Unreachable(words(&error)),
        }
    }

    /// When the server wants to be asked again.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The last cause says most; the first says least.
fn words(error: &kube::Error) -> String {
    let mut cause = error.source();
    let mut words = error.to_string();
    while let Some(deeper) = cause {
        words = deeper.to_string();
        cause = deeper.source();
    }
    words
}
