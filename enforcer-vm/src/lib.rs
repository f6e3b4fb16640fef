//! What `cargo xtask vm-test` and the first process of a virtual machine say to each other.
//!
//! The machine is given a [`Plan`] in its initial file system, and writes [`Message`]s to its
//! console, each on a line of its own behind [`MARK`]: the console has the kernel's words too.

mod message;
mod modules;
mod plan;

pub use message::{MARK, Message, Outcome};
pub use modules::{Index, Module};
pub use plan::{Job, PLAN, Plan};
