//! Everything that touches the kernel.
//!
//! - [`netns`]: work inside another network namespace;
//! - [`netlink`]: questions to rtnetlink;
//! - [`discover`]: which links are there, and which link of the node belongs to which namespace;
//! - [`matching`]: which link belongs to which pod (pure);
//! - [`watch`]: says when to discover again;
//! - [`bpffs`]: the file system for what outlives the daemon;
//! - [`features`]: what the kernel must have;
//! - [`load`], [`maps`]: the BPF object and its maps;
//! - [`batch`]: many writes of the maps by one system call;
//! - [`verified`]: how large the programs are for the kernel;
//! - [`flows`]: the connections that the programs track;
//! - [`denials`]: what they count of denials;
//! - [`packet_log`]: what the programs log, when asked to;
//! - [`attach`]: programs on links;
//! - [`conntrack`]: the kernel's own table of connections; [`adopt`]: what of it becomes flows of pods
//!   (pure); [`seed`]: writes these; [`clock`]: the time as the programs count it; [`revoke`]: what of
//!   it policy has revoked (pure);
//! - [`judge`]: who can say what becomes of a packet: [`memory`], the verdict algorithm on the
//!   host, or [`probe`], the loaded programs, with [`told`] where the kernel's test runs lack something;
//!   [`frame`] makes packets for them;
//! - [`readback`]: whether the maps hold what was written;
//! - [`writer`]: the only one that writes: operations of the compiler and links of pods in, maps and
//!   programs out.

pub mod adopt;
pub mod attach;
pub mod batch;
pub mod bpffs;
pub mod cleanup;
pub mod clock;
pub mod conntrack;
pub mod denials;
pub mod discover;
pub mod features;
pub mod flow_maps;
pub mod flows;
pub mod frame;
pub mod judge;
pub mod load;
pub mod maps;
pub mod matching;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod packet_log;
pub mod probe;
pub mod readback;
pub mod revoke;
pub mod seed;
pub mod told;
pub mod verified;
pub mod watch;
pub mod writer;

pub use load::OBJECT;
