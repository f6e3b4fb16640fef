//! The short way of `from_pod` and `to_pod`, once for each of its steps: every program goes one step
//! further than the one before it. It is the real programs' code (`enforcer_common::decide::quick`) over
//! packets and tables that break it off ([`cut`]), so that nothing here can differ from it but the end.
//!
//! A program that is cut off returns [`REACHED`] and some bits of what it found out, so that the compiler
//! takes nothing away.

mod cut;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{__sk_buff, TC_ACT_UNSPEC};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use enforcer_common::abi::{Continuation, Direction};
use enforcer_common::decide;
use enforcer_common::packet::Packet;
use enforcer_common::reason::Reason;
use enforcer_common::tables::Tables as _;

use self::cut::{CutPacket, CutTables, at};
use crate::maps;
use crate::packet::Skb;
use crate::tables::Kernel;

/// Set in what a program returns that came as far as it is meant to; the bit above it is not.
const REACHED: u32 = 1 << 30;

macro_rules! step {
    ($from_pod:ident, $to_pod:ident, $at:ident) => {
        #[classifier]
        pub(crate) fn $from_pod(ctx: TcContext) -> i32 {
            run::<{ at::$at }>(&ctx, Direction::Egress)
        }

        #[classifier]
        pub(crate) fn $to_pod(ctx: TcContext) -> i32 {
            if let Some(action) = deferred(&ctx) {
                return action;
            }
            run::<{ at::$at }>(&ctx, Direction::Ingress)
        }
    };
}

step!(from_frame, to_frame, FRAME);
step!(from_endpoint, to_endpoint, ENDPOINT);
step!(from_headers, to_headers, HEADERS);
step!(from_hash, to_hash, HASH);
step!(from_slot, to_slot, SLOT);
step!(from_clock, to_clock, CLOCK);
step!(from_count, to_count, COUNT);

/// The kernel's clock in ticks, as the programs read it.
#[classifier]
pub(crate) fn clock(ctx: TcContext) -> i32 {
    kernel(ctx.as_ptr().cast()).now().cast_signed()
}

/// What `to_pod` does first: deferred packets go elsewhere. None of those that are measured is one.
#[inline(always)]
fn deferred(ctx: &TcContext) -> Option<i32> {
    if !Skb::<0>::new(ctx).deferred() {
        return None;
    }
    // SAFETY: nothing here waits to be dropped.
    unsafe { maps::CONTINUATIONS.tail_call(ctx, Continuation::Leaving as u32) };
    Some(elsewhere(ctx.as_ptr().cast()))
}

#[inline(always)]
fn run<const AT: u8>(ctx: &TcContext, hook: Direction) -> i32 {
    let skb = ctx.as_ptr().cast();
    if maps::TRACE.load() != 0 {
        return elsewhere(skb);
    }
    let packet = CutPacket::<AT>(Skb::new(ctx));
    let tables = CutTables::<AT>::new(kernel(skb));
    if AT == at::FRAME {
        return if packet.length() == 0 {
            elsewhere(skb)
        } else {
            REACHED.cast_signed()
        };
    }
    match decide::quick(&packet, &tables, hook) {
        Some(_) => TC_ACT_UNSPEC,
        None if tables.seen() & REACHED != 0 => tables.seen().cast_signed(),
        None => elsewhere(skb),
    }
}

/// In the place of the long way: a function that is called, and does something. The benchmark takes what it
/// returns for a mistake.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn elsewhere(skb: *mut __sk_buff) -> i32 {
    let length = Skb::<0>::of(skb).length();
    kernel(skb).count(Direction::Egress, Reason::Undecided, length);
    0
}

#[inline(always)]
fn kernel(skb: *mut __sk_buff) -> Kernel {
    Kernel { skb, bare: false }
}
