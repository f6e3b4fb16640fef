//! What a block covers beside its exceptions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::blocks::{Blocks, holes};
use super::claims::Claims;
use crate::rule::IpBlock;

/// A block with exceptions. What lies within an exception is not asked for: often most of the
/// cluster does.
pub(super) struct Around<'a> {
    block: &'a IpBlock,
    /// The exceptions that are in no other one, by address.
    outer: Vec<IpNet>,
}

impl<'a> Around<'a> {
    pub(super) fn of(block: &'a IpBlock) -> Self {
        let mut all: Vec<IpNet> = holes(block).collect();
        all.sort_unstable();
        let mut outer: Vec<IpNet> = Vec::new();
        for hole in all {
            if outer.last().is_none_or(|last| !last.contains(&hole)) {
                outer.push(hole);
            }
        }
        Self { block, outer }
    }

    /// The addresses beside the exceptions, from the first to the last of each gap.
    fn gaps(&self) -> Vec<(IpAddr, IpAddr)> {
        let mut gaps = Vec::new();
        let mut next = Some(self.block.cidr.network());
        for hole in &self.outer {
            if let (Some(first), Some(last)) = (next, before(hole.network()))
                && first <= last
            {
                gaps.push((first, last));
            }
            next = behind(hole.broadcast());
        }
        let last = self.block.cidr.broadcast();
        gaps.extend(
            next.filter(|first| *first <= last)
                .map(|first| (first, last)),
        );
        gaps
    }

    /// The prefixes in use to which the block makes a difference: its own, those of its exceptions,
    /// and the others of which it covers a part.
    pub(super) fn nets(&self, blocks: &Blocks) -> Vec<IpNet> {
        let mut nets: Vec<IpNet> = holes(self.block).collect();
        for (first, last) in self.gaps() {
            nets.extend(blocks.beginning(first, last));
        }
        for hole in &self.outer {
            let begin = hole.network();
            let longer = |net: &IpNet| net.prefix_len() < hole.prefix_len();
            nets.extend(blocks.beginning(begin, begin).filter(longer));
        }
        nets.retain(|net| self.block.cidr.contains(net));
        nets
    }

    /// The claimed addresses that it covers.
    pub(super) fn addresses(&self, claims: &Claims) -> Vec<IpAddr> {
        let gaps = self.gaps().into_iter();
        gaps.flat_map(|(first, last)| claims.between(first, last))
            .collect()
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().checked_sub(1)?).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().checked_sub(1)?).into(),
    })
}

fn behind(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().checked_add(1)?).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().checked_add(1)?).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(cidr: &str, except: &[&str]) -> IpBlock {
        IpBlock {
            cidr: cidr.parse().unwrap(),
            except: except.iter().map(|net| net.parse().unwrap()).collect(),
        }
    }

    fn gaps(cidr: &str, except: &[&str]) -> Vec<String> {
        let block = block(cidr, except);
        let gaps = Around::of(&block).gaps();
        gaps.iter()
            .map(|(first, last)| format!("{first}-{last}"))
            .collect()
    }

    #[test]
    fn gaps_are_what_the_exceptions_leave() {
        assert_eq!(
            gaps("0.0.0.0/0", &["10.0.0.0/8"]),
            ["0.0.0.0-9.255.255.255", "11.0.0.0-255.255.255.255"]
        );
        assert_eq!(
            gaps(
                "10.0.0.0/8",
                &["10.0.0.0/9", "10.1.0.0/16", "10.255.0.0/16"]
            ),
            ["10.128.0.0-10.254.255.255"]
        );
        assert_eq!(gaps("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]), [""; 0]);
        assert_eq!(
            gaps("::/0", &["8000::/1"]),
            ["::-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
        );
    }

    #[test]
    fn prefixes_within_an_exception_are_left_out_and_those_around_it_are_not() {
        let mut blocks = Blocks::default();
        let others = [
            "10.0.0.0/7",
            "10.0.0.0/8",
            "10.3.0.0/16",
            "11.0.0.0/8",
            "12.0.0.0/6",
        ];
        for (id, cidr) in (1..).zip(others) {
            blocks.start(id, &[block(cidr, &[])]);
        }
        let block = block("8.0.0.0/6", &["10.0.0.0/8"]);
        let mut nets = Around::of(&block).nets(&blocks);
        nets.sort_unstable();
        let nets: Vec<_> = nets.iter().map(ToString::to_string).collect();
        assert_eq!(nets, ["10.0.0.0/7", "10.0.0.0/8", "11.0.0.0/8"]);
    }
}
