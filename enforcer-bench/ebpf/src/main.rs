//! BPF programs of the benchmarks. They are part of nothing that is shipped.
//!
//! `driver` makes every run of a test another packet: it puts the addresses and ports of one of many
//! connections into it and goes on with the program that is measured. What the driver takes is
//! measured with `empty` in that program's place.
//!
//! - `steps`: the short way of the real programs, cut off after each of its steps;
//! - `floor`: single accesses to maps.
//!
//! Maps and access to them are the real programs' own sources, taken up here once more.

#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "kernel memory is read and written through raw pointers that the verifier checks"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "random numbers are cut to their width on purpose"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "aya hands the context to a program by value"
)]

mod floor;
mod plan;
mod steps;

#[path = "../../../enforcer-ebpf/src/denials.rs"]
mod denials;
#[path = "../../../enforcer-ebpf/src/flows.rs"]
mod flows;
#[path = "../../../enforcer-ebpf/src/maps.rs"]
mod maps;
#[path = "../../../enforcer-ebpf/src/packet.rs"]
#[expect(dead_code, reason = "the short way needs less")]
mod packet;
#[path = "../../../enforcer-ebpf/src/tables.rs"]
mod tables;

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::{Array, ProgramArray};
use aya_ebpf::programs::TcContext;
use plan::Plan;

#[map]
pub(crate) static PLAN: Array<Plan> = Array::with_max_entries(1, 0);

/// The program that is measured.
#[map]
static NEXT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Offsets of the addresses and of the ports, with which each header begins.
const IPV4: (usize, usize) = (14 + 12, 14 + 20);
const IPV6: (usize, usize) = (14 + 8, 14 + 40);

/// What every other program is compared with.
#[classifier]
pub(crate) fn empty(_: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Changes the packet and goes on with [`NEXT`]. Drops it when there is none, so that nobody takes
/// that for a measurement.
#[classifier]
pub(crate) fn driver(ctx: TcContext) -> i32 {
    if change(&ctx).is_some() {
        // SAFETY: nothing here waits to be dropped.
        unsafe { NEXT.tail_call(&ctx, 0) };
    }
    TC_ACT_SHOT
}

#[inline(always)]
fn change(ctx: &TcContext) -> Option<()> {
    let plan = PLAN.get_ptr_mut(0)?;
    // SAFETY: points to a map value; the benchmark does not write while programs run.
    let plan = unsafe { &mut *plan };
    let which = next(plan);
    let line = which.checked_div(plan.peers)?;
    let peer = which.checked_rem(plan.peers)?;
    let address = plan
        .base
        .wrapping_add(peer.wrapping_mul(plan.stride))
        .to_be();
    let varies = u32::from((plan.first_port.wrapping_add(line) as u16).to_be());
    let other = u32::from((plan.other_port as u16).to_be());
    let ports = if plan.flags & Plan::TO_PORT == 0 {
        varies | other << 16
    } else {
        other | varies << 16
    };
    let from_pod = plan.flags & Plan::FROM_POD != 0;
    if plan.flags & Plan::SIX == 0 {
        let [source, destination] = order(from_pod, plan.pod[0], address);
        store(ctx, IPV4.0, [join(source, destination)])?;
        return store(ctx, IPV4.1, [u64::from(ports)]);
    }
    let Plan { pod, prefix, .. } = *plan;
    let pod = [join(pod[0], pod[1]), join(pod[2], pod[3])];
    let peer = [join(prefix[0], prefix[1]), join(prefix[2], address)];
    let [source, destination] = order(from_pod, pod, peer);
    store(
        ctx,
        IPV6.0,
        [source[0], source[1], destination[0], destination[1]],
    )?;
    store(ctx, IPV6.1, [u64::from(ports)])
}

/// The number of the next connection.
#[inline(always)]
pub(crate) fn next(plan: &mut Plan) -> u32 {
    let turn = plan.turn;
    plan.turn = turn.wrapping_add(1);
    if plan.flags & Plan::RANDOM == 0 {
        return (turn as u32).checked_rem(plan.count).unwrap_or(0);
    }
    // Knuth's linear congruential generator (MMIX), of which the upper half is good.
    plan.state = plan
        .state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    ((plan.state >> 32).wrapping_mul(u64::from(plan.count)) >> 32) as u32
}

#[inline(always)]
const fn order<T: Copy>(pod_first: bool, pod: T, peer: T) -> [T; 2] {
    if pod_first { [pod, peer] } else { [peer, pod] }
}

/// Two words as they lie one behind the other.
#[inline(always)]
fn join(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

/// Writes to the packet, in pieces at least as wide as those in which it will be read: a read that
/// spans several writes would wait for them, and the wait would count as the program's.
#[inline(always)]
fn store<const N: usize>(ctx: &TcContext, offset: usize, values: [u64; N]) -> Option<()> {
    let start = ctx.data() + offset;
    if start + size_of::<[u64; N]>() > ctx.data_end() {
        return None;
    }
    for (index, value) in values.into_iter().enumerate() {
        // SAFETY: the bytes lie between data and data_end, as the verifier checks once more.
        // Unaligned, which the machines that are measured can do.
        unsafe { *((start + 8 * index) as *mut u64) = value };
    }
    Some(())
}

/// Never reached: nothing here panics, and the verifier refuses what could loop.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// What the kernel wants to know before it runs a program.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
