//! Everything that touches the kernel.
//!
//! - [`netns`]: work inside another network namespace;
//! - [`netlink`]: questions to rtnetlink;
//! - [`discover`]: which links are there, and which link of the node belongs to which namespace;
//! - [`matching`]: which link belongs to which pod (pure);
//! - [`watch`]: says when to discover again;
//! - [`bpffs`]: the file system for what outlives the daemon;
//! - [`attach`]: programs on links.

pub mod attach;
pub mod bpffs;
pub mod discover;
pub mod load;
pub mod maps;
pub mod matching;
pub mod netlink;
pub mod netns;
pub mod watch;

pub use load::OBJECT;
