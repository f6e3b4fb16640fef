//! The tc programs: entry points around `enforcer_common::decide`.
//!
//! Everything that is unsafe in this project's packet path is in `packet.rs` and `tables.rs`.

#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "kernel memory is read through raw pointers that the verifier checks"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers are cut to their width on purpose; a checked conversion is a branch in the packet path"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "aya hands the context to a program by value"
)]

mod maps;
mod packet;
mod tables;
mod verdict;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use aya_log_ebpf::debug;
use enforcer_common::abi::Direction;
use enforcer_common::decide::process;
use enforcer_common::packet::Packet as _;

/// tc ingress of the host-side link: what the pod sends.
#[classifier]
#[inline(always)]
pub(crate) fn from_pod(ctx: TcContext) -> i32 {
    run(&ctx, Direction::Egress)
}

/// tc egress of the host-side link: what the pod receives.
#[classifier]
#[inline(always)]
pub(crate) fn to_pod(ctx: TcContext) -> i32 {
    run(&ctx, Direction::Ingress)
}

#[inline(always)]
fn run(ctx: &TcContext, hook: Direction) -> i32 {
    let packet = packet::Skb::new(ctx);
    let reason = process(
        &packet,
        &tables::Kernel {
            skb: ctx.as_ptr().cast(),
        },
        hook,
    );
    // The daemon sets the log level before loading; off, the verifier removes this.
    debug!(
        ctx,
        "hook {} link {} length {} reason {}",
        hook as u8,
        packet.ifindex(),
        packet.length(),
        reason as u8
    );
    verdict::of(reason)
}

/// Never reached: nothing in the programs panics, and the verifier refuses what could loop.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers such as `bpf_jiffies64` are free to all; ring buffers and LRU maps are not, but the
/// kernel asks for a GPL-compatible licence once any GPL-only helper is used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
