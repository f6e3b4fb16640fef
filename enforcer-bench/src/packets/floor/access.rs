//! The accesses that are measured.

use super::super::case::{Amounts, STRANGERS};
use super::super::cluster::{BLOCK, BLOCK_STRIDE, PEER_V4, STRANGER};

/// A policy set, and the identities that it has verdicts for.
pub(super) const SET: u32 = 1;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum What {
    /// A bucket of the table of flows.
    Bucket,
    /// The same, searched for a flow that is not there.
    Search,
    /// The same with two look-ups behind it, which are always the same.
    SearchOn,
    /// Addresses of the table, which has few or many.
    Address(Much),
    /// Addresses that are not in it.
    NoAddress(Much),
    /// Addresses below one of the prefixes.
    Prefix(Much),
    /// Addresses below none.
    NoPrefix(Much),
    /// The verdicts of one set.
    Verdict,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Much {
    /// No prefix; of addresses this is not measured.
    None,
    /// As many addresses as the cases have, and ten prefixes.
    Few,
    /// 100,000 addresses, and as many prefixes as the cases have.
    Many,
}

/// A kind of access.
pub(super) struct Access {
    pub(super) what: What,
    pub(super) name: String,
    pub(super) program: &'static str,
    /// The stand with its tables.
    pub(super) stand: usize,
    /// Keys: how many, the first, and how far the next is.
    pub(super) count: u32,
    pub(super) base: u32,
    pub(super) stride: u32,
    pub(super) found: bool,
    /// Nanoseconds above drawing the number, by [`super::Order`] and round.
    pub(super) samples: [Vec<f64>; 3],
}

impl Access {
    /// Keys: the first, how many, and how far the next is.
    fn new(
        what: What,
        name: String,
        program: &'static str,
        (base, count, stride): (u32, u32, u32),
        found: bool,
    ) -> Self {
        Self {
            what,
            name,
            program,
            stand: match what {
                What::Bucket | What::Search | What::SearchOn | What::Verdict => Much::None,
                What::Address(much)
                | What::NoAddress(much)
                | What::Prefix(much)
                | What::NoPrefix(much) => much,
            } as usize,
            count,
            base,
            stride,
            found,
            samples: [const { Vec::new() }; 3],
        }
    }
}

/// Prefixes of the table with few of them.
pub(super) const fn few_prefixes(amounts: Amounts) -> u32 {
    if amounts.blocks < 10 {
        amounts.blocks
    } else {
        10
    }
}

/// In the order in which they are shown.
pub(super) fn all(amounts: Amounts, buckets: u32) -> Vec<Access> {
    let mut all = flows(buckets);
    all.extend(addresses(amounts));
    all.extend(prefixes(amounts));
    all.push(Access::new(
        What::Verdict,
        "hash of verdicts, found".to_owned(),
        "floor_verdict",
        (SET, 1, 1),
        true,
    ));
    all
}

fn flows(buckets: u32) -> Vec<Access> {
    let mib = u64::from(buckets) * 256 / (1 << 20);
    let keys = (0, buckets, 1);
    vec![
        Access::new(
            What::Bucket,
            format!("bucket of the IPv4 flows, {buckets} of them, {mib} MiB"),
            "floor_bucket",
            keys,
            true,
        ),
        Access::new(
            What::Search,
            "the same, searched in vain while it is empty".to_owned(),
            "floor_search",
            keys,
            false,
        ),
        Access::new(
            What::SearchOn,
            "the same, and then two look-ups in hashes, always the same".to_owned(),
            "floor_search_on",
            keys,
            false,
        ),
    ]
}

/// Addresses that nobody has.
const NOBODY: (u32, u32, u32) = (STRANGER.to_bits(), STRANGERS, 1);

fn addresses(amounts: Amounts) -> Vec<Access> {
    let mut all = Vec::new();
    for (much, count) in [(Much::Few, amounts.peers), (Much::Many, amounts.addresses)] {
        all.push(Access::new(
            What::Address(much),
            format!("hash of {count} addresses, found"),
            "floor_address",
            (PEER_V4.to_bits(), count, 1),
            true,
        ));
        all.push(Access::new(
            What::NoAddress(much),
            format!("hash of {count} addresses, not found"),
            "floor_address",
            NOBODY,
            false,
        ));
    }
    all
}

fn prefixes(amounts: Amounts) -> Vec<Access> {
    let mut all = vec![Access::new(
        What::NoPrefix(Much::None),
        "trie without prefixes".to_owned(),
        "floor_prefix",
        NOBODY,
        false,
    )];
    for (much, count) in [
        (Much::Few, few_prefixes(amounts)),
        (Much::Many, amounts.blocks),
    ] {
        all.push(Access::new(
            What::Prefix(much),
            format!("trie of {count} prefixes, found"),
            "floor_prefix",
            (BLOCK.to_bits(), count, BLOCK_STRIDE),
            true,
        ));
        all.push(Access::new(
            What::NoPrefix(much),
            format!("trie of {count} prefixes, not found"),
            "floor_prefix",
            NOBODY,
            false,
        ));
    }
    all
}
