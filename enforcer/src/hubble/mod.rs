//! Hubble's services, for the `hubble` CLI, hubble-relay and Hubble UI.

mod options;
mod peers;
mod serve;
mod source;

pub use self::options::Options;
pub use self::peers::Observers;
pub use self::serve::{Hubble, HubbleError, Known, start};
