//! What the BPF programs and the daemon share.
//!
//! - [`abi`]: keys and values of every BPF map, and [`ABI_VERSION`];
//! - [`packet`], [`parse`]: packet headers, read through the [`packet::Packet`] trait, so that the
//!   same code reads an `__sk_buff` in the kernel and a byte slice in a test;
//! - [`flow_table`]: the connections that the programs track, in memory that nobody locks;
//! - [`denials`]: where alike denials are counted together;
//! - [`decide`]: the verdict algorithm, written once over the [`tables::Tables`] trait.
//!
//! Nothing here allocates, panics or depends on an operating system.

#![no_std]
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are cut to their width on purpose; a checked conversion is a branch in the packet path"
)]

pub mod abi;
pub mod decide;
pub mod denials;
pub mod flow_table;
pub mod packet;
pub mod parse;
pub mod reason;
pub mod tables;

pub use abi::ABI_VERSION;
pub use reason::{Action, Reason};
