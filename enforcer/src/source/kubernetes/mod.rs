//! A cluster as the source of objects: its API server is watched.
//!
//! ```text
//! thread "kubernetes": reflector (one for each kind) ─ lines ─→ decode ─→ enforcer_policy::{api, lower}
//!                                                                               │ Message
//! daemon's loop: Compiler::cluster() ←─ changes ─ ledger ←──────────────────────┘
//! ```
//!
//! A list counts when it is whole; until all six kinds have been listed, nothing does. An API server
//! that is away changes nothing.

mod backoff;
mod connection;
mod decode;
mod failure;
mod kinds;
mod ledger;
mod lines;
mod list;
mod message;
mod pending;
mod reflector;
mod source;

pub use list::{ListError, list};
pub use reflector::Patience;
pub use source::{Ended, KubernetesSource, StartError, Told};
