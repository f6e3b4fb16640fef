//! What `enforcer status` shows: one screen for a node, one for a cluster.
//!
//! What is wrong is found once ([`findings`]), and everything else follows from it: colours, the exit code,
//! the commands to run next, and a node's row in the table of its cluster.

mod cluster;
mod details;
mod findings;
mod lists;
mod node;
mod paint;
mod rows;
mod summary;
#[cfg(test)]
mod tests;

pub use cluster::{ClusterScreen, Row};
pub use findings::{Finding, Level, Next, Topic, findings};
pub use node::NodeScreen;
pub use summary::{Endpoints, Policies, Summary};
