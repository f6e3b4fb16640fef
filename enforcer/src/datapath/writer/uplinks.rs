//! Programs on the links that are no pod's: where deferred packets leave the node, or reach a bridge.

use std::collections::BTreeSet;

use super::{Writer, WriterError};
use crate::datapath::attach::Program;
use crate::datapath::discover::NodeLink;
use crate::datapath::load;

impl Writer {
    /// Attaches to links of the node that are no pod's. Without that a deferred packet could leave by
    /// one of them without having been judged.
    pub(super) fn hold_uplinks<'a>(&mut self, links: impl Iterator<Item = &'a NodeLink>) {
        for link in links {
            if self.uplinks.get(&link.ifindex) == Some(link) {
                continue;
            }
            match self.hold_uplink(link) {
                Ok(()) => drop(self.uplinks.insert(link.ifindex, link.clone())),
                Err(error) => {
                    tracing::warn!(link = link.name, ifindex = link.ifindex, %error, "deferred packets may leave by this link without being judged");
                    self.failures
                        .insert(link.ifindex, (None, error.to_string()));
                }
            }
        }
    }

    /// Lets go of links that are gone or have become a pod's.
    pub(super) fn release_uplinks(&mut self, node: &[NodeLink]) {
        let there: BTreeSet<u32> = node.iter().map(|link| link.ifindex).collect();
        let gone: Vec<u32> = self
            .uplinks
            .keys()
            .filter(|ifindex| !there.contains(ifindex) || self.links.contains(**ifindex))
            .copied()
            .collect();
        for ifindex in gone {
            self.leave_uplink(ifindex);
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
