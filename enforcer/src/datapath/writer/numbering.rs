//! Numbers that outlive a daemon: flows carry the endpoint's id and revision.

use std::collections::BTreeMap;

use enforcer_common::abi::Endpoint;

/// Translates the compiler's numbers, which begin anew with every daemon, so that a flow from
/// before is still its pod's, and is judged again at its next packet.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Endpoints of the earlier daemon by link.
    earlier: BTreeMap<u32, Endpoint>,
    /// Above every id that flows can have.
    ids: u32,
    /// Above every revision that flows can have.
    revisions: u32,
    /// Ids that go on, by the compiler's id.
    kept: BTreeMap<u32, u32>,
}

/// Ids of links without a pod are in the upper half, by ifindex: they have no flows worth keeping.
const PENDING: u32 = 1 << 31;

impl Numbering {
    /// Numbers for a daemon that comes after one with these endpoints.
    pub(super) fn after(earlier: Vec<(u32, Endpoint)>) -> Self {
        let pods = || {
            earlier
                .iter()
                .map(|(_, endpoint)| endpoint)
                .filter(|endpoint| endpoint.id < PENDING)
        };
        let ids = pods().map(|endpoint| endpoint.id).max().unwrap_or(0);
        let revisions = pods()
            .flat_map(|endpoint| endpoint.revisions)
            .max()
            .unwrap_or(0);
        Self {
            ids,
            revisions,
            earlier: earlier.into_iter().collect(),
            kept: BTreeMap::new(),
        }
    }

    /// The endpoint as the kernel gets it. On the same link with the same addresses it is the same
    /// pod, which keeps its id and with it its flows.
    pub(super) fn in_kernel(&mut self, ifindex: u32, mut endpoint: Endpoint) -> Endpoint {
        let same = |earlier: &&Endpoint| {
            earlier.id < PENDING && earlier.v4 == endpoint.v4 && earlier.v6 == endpoint.v6
        };
        let id = match (
            self.kept.get(&endpoint.id),
            self.earlier.get(&ifindex).filter(same),
        ) {
            (Some(id), _) => *id,
            (None, Some(earlier)) => earlier.id,
            (None, None) => self.ids.wrapping_add(endpoint.id),
        };
        // A pod that comes later on this link is another one.
        self.earlier.remove(&ifindex);
        self.kept.insert(endpoint.id, id);
        endpoint.id = id;
        endpoint.revisions = endpoint
            .revisions
            .map(|revision| revision.wrapping_add(self.revisions).wrapping_add(1));
        endpoint
    }

    /// From now on all revisions are others than before: they only grow.
    pub(super) fn raise(&mut self) {
        self.revisions = self.revisions.wrapping_add(1);
    }

    /// The endpoint that the earlier daemon left on a link, until a pod's is put there.
    pub(super) fn earlier(&self, ifindex: u32) -> Option<Endpoint> {
        self.earlier.get(&ifindex).copied()
    }

    /// The number in the kernel of an endpoint that is there, by the compiler's.
    pub(super) fn known(&self, id: u32) -> Option<u32> {
        self.kept.get(&id).copied()
    }

    /// The endpoint of a link without a pod.
    pub(super) fn pending(ifindex: u32) -> Endpoint {
        Endpoint {
            id: PENDING | ifindex,
            flags: Endpoint::PENDING,
            ..Endpoint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(id: u32, revision: u32, address: u32) -> Endpoint {
        Endpoint {
            id,
            revisions: [revision; 2],
            v4: [address],
            ..Endpoint::default()
        }
    }

    #[test]
    fn the_same_pod_on_the_same_link_keeps_its_id_and_gets_a_newer_revision() {
        let mut numbering =
            Numbering::after(vec![(7, endpoint(40, 90, 1)), (8, endpoint(41, 95, 2))]);
        let kept = numbering.in_kernel(7, endpoint(1, 1, 1));
        assert_eq!(kept.id, 40);
        assert!(kept.revisions[0] > 95);
        assert_eq!(numbering.in_kernel(7, endpoint(1, 2, 1)).id, 40);
    }

    #[test]
    fn a_raised_revision_is_none_that_was_there_and_none_comes_again() {
        let mut numbering = Numbering::default();
        let mut seen = Vec::new();
        for revision in [1, 2, 2, 3] {
            seen.push(numbering.in_kernel(7, endpoint(1, revision, 1)).revisions[0]);
            numbering.raise();
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
    }

    #[test]
    fn another_pod_never_gets_an_id_that_flows_may_have() {
        let mut numbering =
            Numbering::after(vec![(7, endpoint(40, 90, 1)), (8, endpoint(41, 95, 2))]);
        let other_address = numbering.in_kernel(7, endpoint(1, 1, 9));
        let other_link = numbering.in_kernel(9, endpoint(2, 1, 2));
        assert!(other_address.id > 41 && other_link.id > 41);
        assert_ne!(other_address.id, other_link.id);
    }

    #[test]
    fn a_later_pod_on_a_link_does_not_inherit_from_before_the_restart() {
        let mut numbering = Numbering::after(vec![(7, endpoint(40, 90, 1))]);
        assert_eq!(numbering.in_kernel(7, endpoint(1, 1, 1)).id, 40);
        assert_ne!(numbering.in_kernel(7, endpoint(2, 1, 1)).id, 40);
    }
}
