//! What the program `write` takes: entries that the daemon puts into tables or takes out, many in one system call.

use bytemuck::{Pod, Zeroable};

use super::{Peer, Verdict, VerdictKey};

/// One entry to write. A packet of them stands behind an Ethernet header that nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Write {
    /// One of the tables, and [`Write::PUT`] unless the entry is taken out.
    pub what: u32,
    /// The key, in as many words as the table's has. A prefix has its length in the first.
    pub key: [u32; 5],
    /// The value that is put.
    pub value: [u32; 3],
}

impl Write {
    /// 32-bit words in a write.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u32>();
    /// The most in one packet: Linux 5.10 takes test packets that fit into a page with what the kernel
    /// keeps of them.
    pub const MOST: usize = 100;

    /// In [`Write::what`]: the entry is put, not taken out.
    pub const PUT: u32 = 1 << 8;
    /// In [`Write::what`]: of the table of verdicts.
    pub const VERDICTS: u32 = 1;
    /// In [`Write::what`]: of the table of IPv4 addresses.
    pub const ADDRESSES_V4: u32 = 2;
    /// In [`Write::what`]: of the table of IPv6 addresses.
    pub const ADDRESSES_V6: u32 = 3;
    /// In [`Write::what`]: of the table of IPv4 prefixes.
    pub const CIDRS_V4: u32 = 4;
    /// In [`Write::what`]: of the table of IPv6 prefixes.
    pub const CIDRS_V6: u32 = 5;

    /// A verdict, or none any more.
    pub fn verdict(key: VerdictKey, verdict: Option<Verdict>) -> Self {
        let [first, second]: [u32; 2] = bytemuck::must_cast(key);
        let value = verdict.map(bytemuck::must_cast);
        Self::of(Self::VERDICTS, [first, second, 0, 0, 0], value)
    }

    /// Who an address is, as the maps have it; or nobody any more.
    pub fn address<const W: usize>(address: [u32; W], peer: Option<Peer>) -> Self {
        let mut key = [0; 5];
        key[..W].copy_from_slice(&address);
        let table = if W == 1 {
            Self::ADDRESSES_V4
        } else {
            Self::ADDRESSES_V6
        };
        Self::of(table, key, peer.map(bytemuck::must_cast))
    }

    /// Who a prefix is, or nobody any more.
    pub fn cidr<const W: usize>(length: u32, address: [u32; W], peer: Option<Peer>) -> Self {
        let mut key = [length, 0, 0, 0, 0];
        key[1..=W].copy_from_slice(&address);
        let table = if W == 1 {
            Self::CIDRS_V4
        } else {
            Self::CIDRS_V6
        };
        Self::of(table, key, peer.map(bytemuck::must_cast))
    }

    fn of(table: u32, key: [u32; 5], value: Option<[u32; 3]>) -> Self {
        Self {
            what: table | if value.is_some() { Self::PUT } else { 0 },
            key,
            value: value.unwrap_or_default(),
        }
    }
}
