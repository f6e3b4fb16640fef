//! What a proxy can do to clients.

use std::fmt;
use std::time::Duration;

use super::Request;

/// What becomes of all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// They work.
    #[default]
    Open,
    /// New ones are reset at once; those that are open go on.
    Reset,
    /// They stay open, also new ones, but not one byte comes back.
    BlackHole,
    /// Every request reaches the API server this much later.
    Slow(Duration),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The proxy answers with this code and the object that the API server sends with it.
    Status(u16),
    /// The connection breaks after this many bytes of the answer's body.
    CutBody(usize),
    /// It is never answered.
    Hang,
    /// It reaches the API server this much later.
    Delay(Duration),
}

/// How a watch that is going on ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order, as the API server ends every watch some time.
    Clean,
    /// With the event that says that its resource version is too old (410).
    Gone,
    /// The connection breaks.
    Cut,
}

/// Which requests have a fault.
pub(super) struct Rule {
    pub(super) matches: Box<dyn Fn(&Request) -> bool + Send>,
    pub(super) fault: Fault,
    /// How often it still applies.
    pub(super) times: usize,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} times", self.fault, self.times)
    }
}

/// The `Status` object that the API server sends with a code.
pub(super) fn status(code: u16) -> serde_json::Value {
    let (reason, message) = match code {
        401 => ("Unauthorized", "Unauthorized"),
        403 => ("Forbidden", "the fault proxy forbids this"),
        404 => ("NotFound", "the fault proxy finds nothing"),
        410 => ("Expired", "too old resource version"),
        429 => ("TooManyRequests", "the fault proxy has too many requests"),
        503 => ("ServiceUnavailable", "the fault proxy is unavailable"),
        _ => ("InternalError", "the fault proxy fails"),
    };
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}
