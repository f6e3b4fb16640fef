//! What the watching thread tells the daemon.

use std::time::Instant;

use enforcer_policy::model::Change;

use crate::source::manifests::{Kind, ObjectKey};
use crate::source::problem::Problem;

/// One thing that was learnt of one kind. Those of a kind are in the API server's order.
#[derive(Debug)]
pub(super) struct Message {
    /// When it arrived.
    pub at: Instant,
    /// Of which kind.
    pub kind: Kind,
    /// What.
    pub news: News,
}

/// What was learnt.
#[derive(Debug)]
pub(super) enum News {
    /// A list of all objects begins; what came of one before that did not end is void.
    ListBegins,
    /// An object of the list, or a change after it.
    Put {
        /// The object.
        change: Change,
        /// Which incarnation of that name it is.
        uid: String,
    },
    /// An object as it is now, in the list or after it, that cannot be taken, and why.
    Refused(ObjectKey, Vec<Problem>),
    /// The list is whole. What is not in it is gone.
    ListEnds,
    /// An object was deleted.
    Gone(ObjectKey),
    /// The watch runs: what changes from now on is told.
    Following,
    /// It does not, for this reason; it is tried again.
    Failed(String),
}
