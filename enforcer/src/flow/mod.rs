//! Flow events: from the ring buffer to records with names, which `enforcer-flows` describes.
//!
//! - [`reader`]: the ring buffer as a stream;
//! - [`enrich`]: addresses → pods, verdicts → policies;
//! - [`recall`]: the same again, without asking anew;
//! - [`store`]: the last records, and who follows them;
//! - [`tally`]: how many there were, and of which policies.

pub mod enrich;
pub mod reader;
pub mod recall;
pub mod store;
pub mod tally;
mod who;
