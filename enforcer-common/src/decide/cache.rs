//! The flow cache: what this CPU looked up within the last second passes without a look-up.
//!
//! Only packets in the middle of a connection are asked here, so that opening and closing always
//! reach the flow itself; and a flow's age is exact to the second that an entry lives.

use super::Context;
use crate::abi::{CachedFlow, Direction, Flow, FlowKey};
use crate::tables::{AddressTables, EndpointView, Tables};

/// Whether the flow was found lately, under the revision that the endpoint has now.
#[inline(always)]
pub(super) fn knows<const W: usize, P, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    revisions: [u32; 2],
    now: u32,
) -> bool {
    let Some(cached) = AddressTables::<W>::cached(cx.tables, key.slot()) else {
        return false;
    };
    let revision = if cached.initiator == Direction::Ingress as u32 {
        revisions[0]
    } else {
        revisions[1]
    };
    cached.key.is(key)
        && cached.endpoint == cx.endpoint.id()
        && cached.revision == revision
        && now.wrapping_sub(cached.seen) < cx.tables.ticks_per_second()
}

/// Remembers a flow that was found.
#[inline(always)]
pub(super) fn remember<const W: usize, P, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    flow: Flow,
    now: u32,
) {
    let cached = CachedFlow {
        key: *key,
        endpoint: flow.endpoint,
        revision: flow.revision,
        seen: now,
        initiator: u32::from(flow.initiator),
    };
    AddressTables::<W>::cache(cx.tables, key.slot(), &cached);
}
