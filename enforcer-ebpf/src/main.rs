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

mod denials;
mod flows;
mod maps;
mod packet;
mod tables;
mod verdict;
mod write;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use aya_log_ebpf::debug;
use enforcer_common::abi::{Continuation, Direction, Seed};
use enforcer_common::decide;
use enforcer_common::packet::Packet;
use enforcer_common::parse::NETWORK;
use enforcer_common::tables::{AddressTables, Tables as _};
use enforcer_common::{Action, Reason};
use packet::{BARE, Skb};

/// tc ingress of a pod's link: what the pod sends.
#[classifier]
pub(crate) fn from_pod(ctx: TcContext) -> i32 {
    match quick(&ctx, Direction::Egress) {
        Some(reason) => verdict::of(reason),
        None => from_pod_thorough(ctx.as_ptr().cast()),
    }
}

/// tc egress of a pod's link: what the pod receives.
#[classifier]
pub(crate) fn to_pod(ctx: TcContext) -> i32 {
    if Skb::<0>::new(&ctx).deferred() {
        return go_on(&ctx, Continuation::Leaving);
    }
    match quick(&ctx, Direction::Ingress) {
        Some(reason) => verdict::of(reason),
        None => to_pod_thorough(ctx.as_ptr().cast()),
    }
}

/// Global functions, so that the programs themselves are short: what a function may ever keep, it makes
/// room for when it begins. A call costs 8 ns.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn from_pod_thorough(skb: *mut __sk_buff) -> i32 {
    run(&TcContext::new(skb), Direction::Egress)
}

/// See [`from_pod_thorough`].
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn to_pod_thorough(skb: *mut __sk_buff) -> i32 {
    run(&TcContext::new(skb), Direction::Ingress)
}

/// tc egress of every other link, and where `to_pod` sends deferred packets first.
#[classifier]
#[inline(always)]
pub(crate) fn leaving(ctx: TcContext) -> i32 {
    run_leaving(&ctx, &Skb::<0>::new(&ctx), false)
}

/// [`leaving`] for links whose packets have no Ethernet header.
#[classifier]
#[inline(always)]
pub(crate) fn leaving_bare(ctx: TcContext) -> i32 {
    run_leaving(&ctx, &Skb::<BARE>::new(&ctx), true)
}

/// Attached to nothing: the daemon runs it to learn the time as the programs count it.
#[classifier]
pub(crate) fn clock(ctx: TcContext) -> i32 {
    kernel(&ctx, false).now().cast_signed()
}

/// Attached to nothing: the daemon runs it to write a flow, so that only programs write the tables.
/// Returns 1 when the packet is no [`Seed`].
#[classifier]
pub(crate) fn seed(ctx: TcContext) -> i32 {
    let packet = Skb::<0>::new(&ctx);
    packet.pull();
    let Some(words) = packet.head_words::<{ Seed::WORDS }>(NETWORK) else {
        return 1;
    };
    // SAFETY: made of nothing but such words.
    let seed = unsafe { core::mem::transmute::<[u32; Seed::WORDS], Seed>(words) };
    let kernel = kernel(&ctx, false);
    if seed.words == 1 {
        sow::<1>(&kernel, &seed);
    } else {
        sow::<4>(&kernel, &seed);
    }
    0
}

/// Attached to nothing: the daemon runs it to write many entries at once. Returns how many it wrote before
/// the first that could not be written, or before the end of the packet.
#[classifier]
pub(crate) fn write(ctx: TcContext) -> i32 {
    write::all(ctx.as_ptr().cast())
}

#[inline(always)]
fn sow<const W: usize>(kernel: &impl AddressTables<W>, seed: &Seed) {
    let (key, flow) = (seed.key(), seed.flow());
    if seed.only_new == 0 || kernel.flow(&key, flow.endpoint).is_none() {
        kernel.put_flow(&key, &flow);
    }
}

/// Answers most packets. Where every packet leaves a line in the log, none.
#[inline(always)]
fn quick(ctx: &TcContext, hook: Direction) -> Option<Reason> {
    if maps::TRACE.load() != 0 {
        return None;
    }
    decide::quick(&Skb::<0>::new(ctx), &kernel(ctx, false), hook)
}

#[inline(always)]
fn run(ctx: &TcContext, hook: Direction) -> i32 {
    let packet = Skb::<0>::new(ctx);
    packet.pull();
    let reason = decide::thorough(&packet, &kernel(ctx, false), hook);
    log(ctx, &packet, hook, reason);
    verdict::of(reason)
}

#[inline(always)]
fn run_leaving<const MISSING: usize>(ctx: &TcContext, packet: &Skb<MISSING>, bare: bool) -> i32 {
    if !packet.deferred() {
        return verdict::of(Reason::NotIsolated);
    }
    packet.pull();
    let kernel = kernel(ctx, bare);
    let reason = decide::leaving(packet, &kernel);
    log(ctx, packet, Direction::Egress, reason);
    let settled = reason.action() == Action::Pass && !packet.deferred();
    if settled && kernel.endpoint(packet.ifindex()).is_some() {
        return go_on(ctx, Continuation::ToPod);
    }
    verdict::of(reason)
}

/// Ends this program with another one. Where that is not there, the packet is dropped.
#[inline(always)]
fn go_on(ctx: &TcContext, next: Continuation) -> i32 {
    // SAFETY: nothing here waits to be dropped.
    unsafe { maps::CONTINUATIONS.tail_call(ctx, next as u32) };
    let lost = Reason::Undecided;
    let length = Skb::<0>::new(ctx).length();
    kernel(ctx, false).count(Direction::Ingress, lost, length);
    verdict::of(lost)
}

#[inline(always)]
fn kernel(ctx: &TcContext, bare: bool) -> tables::Kernel {
    tables::Kernel {
        skb: ctx.as_ptr().cast(),
        bare,
    }
}

/// Off unless the daemon says otherwise before loading; then the verifier removes this. The level of the
/// log itself is asked only after its arguments have been gathered.
#[inline(always)]
fn log(ctx: &TcContext, packet: &impl Packet, hook: Direction, reason: Reason) {
    if maps::TRACE.load() == 0 {
        return;
    }
    debug!(
        ctx,
        "hook {} link {} length {} reason {}",
        hook as u8,
        packet.ifindex(),
        packet.length(),
        reason as u8
    );
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
