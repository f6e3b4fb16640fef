//! Flow events: from the ring buffer to records with names.
//!
//! - [`reader`]: the ring buffer as a stream;
//! - [`record`]: what users see;
//! - [`enrich`]: addresses → pods, verdicts → policies;
//! - [`words`]: what policies say of it;
//! - [`recall`]: the same again, without asking anew;
//! - [`store`]: the last records, and who follows them.

pub mod enrich;
pub mod reader;
pub mod recall;
pub mod record;
pub mod store;
pub mod words;
