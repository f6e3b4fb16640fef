//! The numbers that deferred packets carry for their sender.

use std::collections::BTreeMap;

use enforcer_common::abi::limits;

/// 16-bit numbers of links: the link's index itself where it fits, which is the same for every daemon,
/// so that programs of two daemons understand each other while one takes over.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// Links with a higher index, by tag.
    far: BTreeMap<u16, u32>,
}

impl Tags {
    /// The tag of a link. `taken` says which indexes are links of pods; their own numbers are not
    /// given to others. `None` when there is no number left.
    pub(super) fn of(&mut self, ifindex: u32, taken: impl Fn(u32) -> bool) -> Option<u16> {
        if ifindex < limits::SENDERS {
            return u16::try_from(ifindex).ok();
        }
        let known = self.far.iter().find(|(_, link)| **link == ifindex);
        if let Some((tag, _)) = known {
            return Some(*tag);
        }
        // From the top: old links have low numbers.
        let free = (1..=u16::MAX)
            .rev()
            .find(|tag| !self.far.contains_key(tag) && !taken(u32::from(*tag)))?;
        self.far.insert(free, ifindex);
        Some(free)
    }

    /// Takes a number back; gives it when it was not the link's own index.
    pub(super) fn release(&mut self, ifindex: u32) -> Option<u16> {
        let (tag, _) = self.far.iter().find(|(_, link)| **link == ifindex)?;
        let tag = *tag;
        self.far.remove(&tag);
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::Tags;

    #[test]
    fn a_near_link_is_its_own_number_and_a_far_one_gets_a_free_one() {
        let mut tags = Tags::default();
        let taken = |index| index == 65_535;
        assert_eq!(tags.of(7, taken), Some(7));
        assert_eq!(tags.of(70_000, taken), Some(65_534));
        assert_eq!(tags.of(70_001, taken), Some(65_533));
        assert_eq!(tags.of(70_000, taken), Some(65_534));
        assert_eq!(tags.release(70_000), Some(65_534));
        assert_eq!(tags.release(7), None);
        assert_eq!(tags.of(80_000, taken), Some(65_534));
    }
}
