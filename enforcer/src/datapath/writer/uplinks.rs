//! Programs on the links that are no pod's: where deferred packets leave the node, or reach a bridge.

use std::collections::{BTreeMap, BTreeSet};

use super::{Writer, WriterError};
use crate::datapath::attach::Program;
use crate::datapath::discover::NodeLink;
use crate::datapath::load;

impl Writer {
    /// Attaches to every link of the node that is no pod's, and lets go of those that are gone or have
    /// become a pod's. Before that a deferred packet could leave by such a link without having been
    /// judged.
    pub(super) fn follow_uplinks(&mut self, node: &[NodeLink]) {
        let wanted: BTreeMap<u32, &NodeLink> = node
            .iter()
            .filter(|link| !self.links.contains_key(&link.ifindex))
            .map(|link| (link.ifindex, link))
            .collect();
        let gone: BTreeSet<u32> = self
            .uplinks
            .keys()
            .filter(|ifindex| !wanted.contains_key(ifindex))
            .copied()
            .collect();
        for ifindex in gone {
            self.leave_uplink(ifindex);
        }
        for (ifindex, link) in wanted {
            if self.uplinks.get(&ifindex) == Some(link) {
                continue;
            }
            match self.hold_uplink(link) {
                Ok(()) => drop(self.uplinks.insert(ifindex, link.clone())),
                Err(error) => {
                    tracing::warn!(link = link.name, ifindex, %error, "deferred packets may leave by this link without being judged");
                    self.failures.insert(ifindex, (None, error.to_string()));
                }
            }
        }
    }

    fn hold_uplink(&mut self, link: &NodeLink) -> Result<(), WriterError> {
        let which = program(link);
        let loaded = load::program(&mut self.ebpf, which)?;
        let attached = self.attacher.attach(loaded, link.ifindex, which)?;
        tracing::debug!(
            link = link.name,
            ifindex = link.ifindex,
            place = ?attached.place,
            "link of the node attached"
        );
        Ok(())
    }

    fn leave_uplink(&mut self, ifindex: u32) {
        let Some(link) = self.uplinks.remove(&ifindex) else {
            return;
        };
        self.detach(ifindex, [program(&link)]);
    }
}

const fn program(link: &NodeLink) -> Program {
    if link.bare {
        Program::LeavingBare
    } else {
        Program::Leaving
    }
}
