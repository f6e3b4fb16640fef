//! Many writes of the maps by one system call.
//!
//! A program that nobody attaches does them, for a third of what as many system calls take
//! (`cargo xtask bench scale`). The kernel's own batches (`BPF_MAP_UPDATE_BATCH`) are of one map and one kind
//! of write each, which would lose the order of the operations; and tries and old kernels lack them.

use std::net::IpAddr;

use aya::Ebpf;
use aya::programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions};
use enforcer_common::abi::{Peer, Write, address};
use enforcer_common::parse::NETWORK;
use enforcer_policy::tables::Op;
use ipnet::IpNet;

/// Its name in the object.
const PROGRAM: &str = "write";

/// Fewer are not worth the call.
const LEAST: usize = 4;

/// Why nothing can be written so.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The object lacks the program.
    #[error("the BPF object has no tc program {PROGRAM:?}; run `cargo xtask build-ebpf`")]
    NoProgram,
    /// The kernel refused it.
    #[error("the kernel refused the program {PROGRAM:?}: {0}")]
    Program(#[from] ProgramError),
}

/// Loads the program.
pub fn load(ebpf: &mut Ebpf) -> Result<(), BatchError> {
    let program = ebpf.program_mut(PROGRAM).ok_or(BatchError::NoProgram)?;
    let program: &mut SchedClassifier = program.try_into()?;
    Ok(program.load()?)
}

/// Does the first of these operations, in their order, and says how many: perhaps none. What stops it is
/// an operation that is not one of a table's entry, or one that the kernel refused; or the packet is
/// full.
pub fn write(ebpf: &Ebpf, ops: &[Op]) -> usize {
    let writes: Vec<Write> = ops.iter().map_while(entry).take(Write::MOST).collect();
    if writes.len() < LEAST {
        return 0;
    }
    // Whoever writes alone what is not done here learns what is the matter.
    run(ebpf, &writes).unwrap_or_default().min(writes.len())
}

fn run(ebpf: &Ebpf, writes: &[Write]) -> Option<usize> {
    let program: &SchedClassifier = ebpf.program(PROGRAM)?.try_into().ok()?;
    let mut packet = vec![0; NETWORK];
    packet.extend_from_slice(bytemuck::cast_slice(writes));
    let options = TestRunOptions {
        data_in: Some(&packet),
        ..TestRunOptions::new()
    };
    let done = program.test_run(options).ok()?.return_value;
    usize::try_from(done).ok()
}

fn entry(op: &Op) -> Option<Write> {
    let (address, peer) = match op {
        Op::PutVerdict(key, verdict) => return Some(Write::verdict(*key, Some(*verdict))),
        Op::DeleteVerdict(key) => return Some(Write::verdict(*key, None)),
        Op::PutCidr(net, peer) => return Some(cidr(*net, Some(*peer))),
        Op::DeleteCidr(net) => return Some(cidr(*net, None)),
        Op::PutAddress(address, peer) => (address, Some(*peer)),
        Op::DeleteAddress(address) => (address, None),
        Op::PutPorts(..) | Op::PutEndpoint(..) | Op::DeleteEndpoint(..) => return None,
    };
    Some(match *address {
        IpAddr::V4(v4) => Write::address(address::v4(v4), peer),
        IpAddr::V6(v6) => Write::address(address::v6(v6), peer),
    })
}

fn cidr(net: IpNet, peer: Option<Peer>) -> Write {
    let length = u32::from(net.prefix_len());
    match net {
        IpNet::V4(net) => Write::cidr(length, address::v4(net.network()), peer),
        IpNet::V6(net) => Write::cidr(length, address::v6(net.network()), peer),
    }
}
