//! What users are told through the API server: `PolicyEnforcement` objects and Events.
//!
//! ```text
//! daemon ─ Observed ─→ wanted ─→ plan ─→ task ─→ API server
//!                              └→ notice ─┘
//! ```
//!
//! Each daemon writes about its own node alone, one small object for each policy that selects pods
//! there. So nobody leads, nobody conflicts, and no object grows with the cluster. What has to be
//! done once for all, deleting what nodes left behind, falls to the daemon that [`rendezvous`]
//! names.
//!
//! All of it is on tasks of its own that nothing waits for: an API server that is slow, full or
//! away costs reports, never enforcement.

mod backoff;
mod bucket;
mod counters;
mod events;
mod failure;
mod hash;
mod name;
mod notice;
pub mod object;
pub mod observed;
mod pace;
mod plan;
pub mod rendezvous;
mod server;
mod sweep;
mod task;
mod wanted;

pub use self::counters::{Count, Counters};
pub use self::name::{label_value, object_name};
pub use self::object::{PolicyEnforcement, State};
pub use self::pace::Pace;
pub use self::task::{Options, Tasks, start};
