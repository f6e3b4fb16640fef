//! `VERDICTS` (hash): [`VerdictKey`] → [`Verdict`]; `PORTS` (array): index → [`PortRange`].

use bytemuck::{Pod, Zeroable};

/// Key of `VERDICTS`. The entry with identity 0 ([`super::address::ANY_PEER`]) holds for every
/// peer whose identity has no entry of its own under the set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct VerdictKey {
    /// The policy set, never 0.
    pub set: u32,
    /// The identity of the peer.
    pub identity: u32,
}

/// What a policy set says about a peer: a list of ports, and a default for everything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Verdict {
    /// First index of the port list in `PORTS`.
    pub offset: u32,
    /// Number of entries; 0 means that [`Verdict::default_allow`] decides alone.
    pub length: u32,
    /// 1 when what no entry covers is allowed, else 0. This is also the verdict for protocols
    /// without ports: rules with ports never speak about those.
    pub default_allow: u32,
}

impl Verdict {
    /// Everything is denied.
    pub const DENY_ALL: Self = Self {
        offset: 0,
        length: 0,
        default_allow: 0,
    };
    /// Everything is allowed.
    pub const ALLOW_ALL: Self = Self {
        offset: 0,
        length: 0,
        default_allow: 1,
    };
}

/// One interval of a port list. A list is sorted by (`protocol`, `low`); its intervals are
/// disjoint, and intervals that touch and agree are merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct PortRange {
    /// IANA protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// 1 allow, 0 deny.
    pub allow: u8,
    /// First port.
    pub low: u16,
    /// Last port, inclusive.
    pub high: u16,
    /// Zero.
    pub reserved: u16,
}
