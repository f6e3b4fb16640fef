//! The rules of the packet path, one test each, on the host. That the loaded programs do the same
//! is shown by the test `kernel`.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod answers;
mod deferred;
mod errors;
mod flows;
mod fragments;
mod headers;
mod held;
mod link;
mod neighbours;
mod node;
mod ports;
mod reports;
mod source;
