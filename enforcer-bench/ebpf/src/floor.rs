//! One access to a map, at random: what a packet cannot cost less than. What drawing the number takes is
//! measured with `floor_nothing`.

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::macros::classifier;
use aya_ebpf::maps::lpm_trie::Key;
use aya_ebpf::programs::TcContext;
use enforcer_common::abi::VerdictKey;
use enforcer_common::flow_table::SLOTS;

use crate::flows::flows_v4;
use crate::plan::Plan;
use crate::{PLAN, maps, next};

/// No access.
#[classifier]
pub(crate) fn floor_nothing(_: TcContext) -> i32 {
    look(|_, number| Some(u64::from(number)))
}

/// A bucket of the table of flows: one of its cache lines.
#[classifier]
pub(crate) fn floor_bucket(_: TcContext) -> i32 {
    look(|_, number| {
        let bucket = maps::FLOWS_V4.get(number)?;
        Some(bucket[0])
    })
}

/// The same bucket searched in vain, by the programs' function.
#[classifier]
pub(crate) fn floor_search(_: TcContext) -> i32 {
    look(|_, number| {
        let slot = flows_v4::search(number, u64::MAX << 16);
        (slot < SLOTS as u32).then_some(u64::from(slot))
    })
}

/// The same, and then the two look-ups of which a decision has at least one each: of an address and of a
/// verdict, always the same ones.
#[classifier]
pub(crate) fn floor_search_on(_: TcContext) -> i32 {
    look(|plan, number| {
        let slot = flows_v4::search(number, u64::MAX << 16);
        // SAFETY: as in `floor_address`.
        let peer = unsafe { maps::ADDRESSES_V4.get([plan.base]) };
        let key = VerdictKey {
            set: plan.base,
            identity: 0,
        };
        // SAFETY: as in `floor_address`.
        let verdict = unsafe { maps::VERDICTS.get(key) };
        let found = slot < SLOTS as u32 || peer.is_some() || verdict.is_some();
        found.then_some(u64::from(slot))
    })
}

/// The hash of addresses.
#[classifier]
pub(crate) fn floor_address(_: TcContext) -> i32 {
    look(|plan, number| {
        // SAFETY: a removed value is freed after an RCU grace period.
        let peer = unsafe { maps::ADDRESSES_V4.get([address(plan, number)]) }?;
        Some(u64::from(peer.identity))
    })
}

/// The trie of prefixes.
#[classifier]
pub(crate) fn floor_prefix(_: TcContext) -> i32 {
    look(|plan, number| {
        let peer = maps::CIDRS_V4.get(Key::new(32, [address(plan, number)]))?;
        Some(u64::from(peer.identity))
    })
}

/// The hash of verdicts.
#[classifier]
pub(crate) fn floor_verdict(_: TcContext) -> i32 {
    look(|plan, number| {
        let key = VerdictKey {
            set: plan.base,
            identity: number.wrapping_mul(plan.stride),
        };
        // SAFETY: as in `floor_address`.
        let verdict = unsafe { maps::VERDICTS.get(key) }?;
        Some(u64::from(verdict.default_allow))
    })
}

/// The address with this number, as it lies in a packet.
#[inline(always)]
fn address(plan: &Plan, number: u32) -> u32 {
    plan.base
        .wrapping_add(number.wrapping_mul(plan.stride))
        .to_be()
}

/// Draws a number and looks for what it stands for.
#[inline(always)]
fn look(access: impl Fn(&Plan, u32) -> Option<u64>) -> i32 {
    let Some(plan) = PLAN.get_ptr_mut(0) else {
        return TC_ACT_SHOT;
    };
    // SAFETY: points to a map value; the benchmark does not write while programs run.
    let plan = unsafe { &mut *plan };
    let number = next(plan);
    if let Some(found) = access(plan, number) {
        plan.found = plan.found.wrapping_add(1);
        if plan.flags & Plan::DEPENDENT != 0 {
            plan.state ^= found;
        }
    }
    TC_ACT_UNSPEC
}
