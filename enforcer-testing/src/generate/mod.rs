//! Random small clusters, questions about them, and random changes.
//!
//! Names, labels, ports and addresses come from small pools, so that selectors often match, blocks
//! overlap, and a changed object is often one that others speak of.

mod changes;
mod cluster;
mod policies;
mod pools;
mod questions;
mod selectors;
mod services;
pub mod wire;

pub use changes::{Edit, edits};
pub use cluster::objects;
pub use questions::{by_address, by_name, sample};
pub use services::{about_services, objects_with_services};
