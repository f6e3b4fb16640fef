//! `ipBlock`.

use enforcer_policy::rule::PeerSelector;
use ipnet::IpNet;

use super::peers::peers;
use super::{Finding, Scene, Subject};
use crate::source::manifests::yaml::Node;

/// A CIDR that is written with an address inside of it.
pub(super) fn host_bits(_: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, peer) in peers(subject) {
        let PeerSelector::Block(block) = peer else {
            continue;
        };
        let field = format!("{path}.ipBlock.cidr");
        let written = subject.at(&field).and_then(Node::as_str);
        let written = written.and_then(|text| text.parse::<IpNet>().ok());
        if let Some(written) = written.filter(|written| *written != block.cidr) {
            findings.push(Finding::warning(
                "host-bits",
                field,
                format!("{written} means {}", block.cidr),
                format!(
                    "write {}, or {}/{} for the one address",
                    block.cidr,
                    written.addr(),
                    written.max_prefix_len()
                ),
            ));
        }
    }
    findings
}

/// Excepts that share no address with their CIDR. The policy counts: without them it means the same.
pub(super) fn except_outside(_: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, peer) in peers(subject) {
        let PeerSelector::Block(block) = peer else {
            continue;
        };
        let list = format!("{path}.ipBlock.except");
        let items = subject.at(&list).map_or(&[][..], Node::items);
        for (index, text) in items.iter().enumerate() {
            let hole = text.as_str().and_then(|text| text.parse::<IpNet>().ok());
            if hole.is_some_and(|hole| !block.cidr.contains(&hole)) {
                let written = text.as_str().unwrap_or_default();
                findings.push(Finding::warning(
                    "except-outside-cidr",
                    format!("{list}[{index}]"),
                    format!(
                        "the except {written} lies outside of {}: it takes nothing away",
                        block.cidr
                    ),
                    "remove the except (an API server refuses it), or widen the cidr so that it \
                     lies inside",
                ));
            }
        }
    }
    findings
}
