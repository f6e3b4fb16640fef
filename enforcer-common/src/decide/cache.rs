//! The flow cache: what this CPU looked up within the last second passes without a look-up.
//!
//! Only packets in the middle of a connection are asked here, so that opening and closing always
//! reach the flow itself; and a flow's age is exact to the second that an entry lives.

use super::Context;
use super::flows::of;
use crate::abi::{Flow, FlowKey};
use crate::tables::{AddressTables, EndpointView, Tables};

/// The flow, if it was found lately, under the revision that the endpoint has now.
#[inline(always)]
pub(super) fn recall<const W: usize, P, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    revisions: [u32; 2],
    now: u32,
) -> Option<Flow> {
    let flow = AddressTables::<W>::cached(cx.tables, key)?;
    let is_current = flow.endpoint == cx.endpoint.id()
        && flow.revision == of(revisions, flow.direction())
        && now.wrapping_sub(flow.last_seen) < cx.tables.ticks_per_second();
    if is_current { Some(flow) } else { None }
}

/// Remembers a flow that was found.
#[inline(always)]
pub(super) fn remember<const W: usize, P, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    mut flow: Flow,
    now: u32,
) {
    flow.last_seen = now;
    AddressTables::<W>::cache(cx.tables, key, &flow);
}
