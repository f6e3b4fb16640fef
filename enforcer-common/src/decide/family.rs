//! What differs between IPv4 and IPv6 addresses.

use crate::tables::EndpointView;

/// An address in the layout of the maps.
pub(super) trait Family: Copy + Eq {
    /// Whether it is the address of this endpoint.
    fn is_address_of(&self, endpoint: impl EndpointView) -> bool;
    /// Whether it is the same.
    fn is(&self, other: &Self) -> bool;
    /// Whether no router passes on what goes there: link-local, unicast or multicast (RFC 4291
    /// §2.5.6, §2.7).
    fn stays_on_link(&self) -> bool;
    /// IPv6 link-local unicast (RFC 4291 §2.5.6): valid on the pod's link alone, where only the
    /// pod and its host are.
    fn is_link_local(&self) -> bool;
    /// All zeroes: the source of a host that has no address yet.
    fn is_unspecified(&self) -> bool;
    /// As in events and fragment keys.
    fn widen(&self) -> [u32; 4];
}

impl Family for [u32; 1] {
    #[inline(always)]
    fn is_address_of(&self, endpoint: impl EndpointView) -> bool {
        *self == endpoint.v4() && self[0] != 0
    }
    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        self[0] == other[0]
    }
    #[inline(always)]
    fn stays_on_link(&self) -> bool {
        false
    }
    #[inline(always)]
    fn is_link_local(&self) -> bool {
        false
    }
    #[inline(always)]
    fn is_unspecified(&self) -> bool {
        self[0] == 0
    }
    #[inline(always)]
    fn widen(&self) -> [u32; 4] {
        [self[0], 0, 0, 0]
    }
}

impl Family for [u32; 4] {
    #[inline(always)]
    fn is_address_of(&self, endpoint: impl EndpointView) -> bool {
        self.is(&endpoint.v6()) && !self.is_unspecified()
    }
    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        // Word by word: a comparison of arrays becomes a call of memcmp, which BPF lacks.
        self[3] == other[3] && self[2] == other[2] && self[1] == other[1] && self[0] == other[0]
    }
    #[inline(always)]
    fn stays_on_link(&self) -> bool {
        u32::from_be(self[0]) & 0xff0f_0000 == 0xff02_0000 || self.is_link_local()
    }
    #[inline(always)]
    fn is_link_local(&self) -> bool {
        u32::from_be(self[0]) & 0xffc0_0000 == 0xfe80_0000
    }
    #[inline(always)]
    fn is_unspecified(&self) -> bool {
        self[0] | self[1] | self[2] | self[3] == 0
    }
    #[inline(always)]
    fn widen(&self) -> [u32; 4] {
        *self
    }
}
