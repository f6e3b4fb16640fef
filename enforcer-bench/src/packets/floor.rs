//! Single accesses to maps of the real ones' shapes: what memory alone takes. See
//! `enforcer-bench/ebpf/src/floor.rs`.

mod access;

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, bail, ensure};
use enforcer_common::abi::{Peer, Verdict, VerdictKey};
use enforcer_policy::tables::Op;
use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use self::access::{Access, SET, few_prefixes};
pub(super) use self::access::{Much, What};
use super::case::Amounts;
use super::cluster::{BLOCK, BLOCK_STRIDE, PEER_V4};
use super::driver::Plan;
use super::run::run;
use super::stand::Stand;
use crate::plot::{Axis, Drawing, Plot, Strip};
use crate::report::{Cell, Report, Table};
use crate::stats::{Summary, above};

const PROGRAMS: [&str; 7] = [
    NOTHING,
    "floor_bucket",
    "floor_search",
    "floor_search_on",
    "floor_address",
    "floor_prefix",
    "floor_verdict",
];
const NOTHING: &str = "floor_nothing";

/// An odd number whose multiples are far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A packet that nobody looks at.
const PACKET: [u8; 64] = [0; 64];

/// How keys come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    /// The same one all the time.
    Hot,
    /// At random; a processor may begin with the next before it has the last.
    Random,
    /// At random, where the next depends on what the last one found.
    Dependent,
}

const ORDERS: [Order; 3] = [Order::Hot, Order::Random, Order::Dependent];

/// What is measured here.
pub(super) struct Floor {
    stands: [Stand; 3],
    accesses: Vec<Access>,
}

impl Floor {
    /// Loads programs, and fills maps.
    pub(super) fn new(amounts: Amounts) -> Result<Self> {
        let load = || Stand::load(amounts.room, &PROGRAMS);
        let mut stands = [load()?, load()?, load()?];
        let [none, few, many] = &mut stands;
        none.maps.apply(&verdict())?;
        fill(few, amounts.peers, few_prefixes(amounts))?;
        fill(many, amounts.addresses, amounts.blocks)?;
        let buckets = none.buckets()?;
        Ok(Self {
            stands,
            accesses: access::all(amounts, buckets),
        })
    }

    /// Measures each access once in every order.
    pub(super) fn round(&mut self, repeat: u32, round: usize) -> Result<()> {
        let Self { stands, accesses } = self;
        let begin = round % accesses.len();
        accesses.rotate_left(begin);
        for access in accesses.iter_mut() {
            let stand = &mut stands[access.stand];
            for order in ORDERS {
                // What finds nothing has nothing to wait for.
                if order == Order::Dependent && !access.found {
                    continue;
                }
                let sample = access.measure(stand, order, repeat, round)?;
                if round > 0 {
                    access.samples[order as usize].push(sample);
                }
            }
        }
        accesses.rotate_right(begin);
        Ok(())
    }

    /// What random keys cost above the same one all the time.
    pub(super) fn random_above_hot(&self, what: What) -> Vec<f64> {
        let access = self.accesses.iter().find(|access| access.what == what);
        access.map_or_else(Vec::new, |access| {
            let [hot, random, _] = &access.samples;
            above(random, hot)
        })
    }

    /// Table, plot and figures.
    pub(super) fn write(&self, report: &mut Report) {
        let columns = [
            "one access",
            "hot",
            "at random",
            "at random, each waiting for the one before",
        ];
        let title = "The floor of memory: one access, above drawing its number, ns";
        let mut table = Table::new(title, &columns);
        for access in &self.accesses {
            let cells = access.samples.iter().map(|samples| Cell::samples(samples));
            table.row(std::iter::once(Cell::of(&access.name)).chain(cells));
        }
        report.tables.push(table);
        let strips = self.accesses.iter().map(|access| Strip {
            label: format!("{}, at random", access.name),
            measured: Summary::of(&access.samples[Order::Random as usize]),
            marks: Vec::new(),
        });
        report.plots.push(Plot {
            name: "floor".to_owned(),
            title: "Nanoseconds of one access to a map".to_owned(),
            drawing: Drawing::Strips {
                axis: Axis {
                    label: "ns".to_owned(),
                    logarithmic: false,
                },
                strips: strips.collect(),
            },
        });
        report.raw["floor"] = self.accesses.iter().map(Access::json).collect();
    }
}

impl Access {
    fn measure(&self, stand: &mut Stand, order: Order, repeat: u32, round: usize) -> Result<f64> {
        let mut flags = Plan::RANDOM;
        if order == Order::Dependent {
            flags |= Plan::DEPENDENT;
        }
        let plan = Plan {
            // Other keys each time, so that none is in a cache because of the measurement before.
            state: SPREAD.wrapping_mul((ORDERS.len() * round + order as usize) as u64),
            count: if order == Order::Hot { 1 } else { self.count },
            base: self.base,
            stride: self.stride,
            flags,
            ..Plan::default()
        };
        let mut nanoseconds = [0.0; 2];
        let which = if round.is_multiple_of(2) {
            [0, 1]
        } else {
            [1, 0]
        };
        for which in which {
            let program = [NOTHING, self.program][which];
            stand.follow(&plan)?;
            nanoseconds[which] = run(stand.program(program)?, &PACKET, repeat)?.nanoseconds;
            let found = stand.plan()?.found;
            let expected = if which == 0 || self.found { repeat } else { 0 };
            if found != expected {
                bail!(
                    "{}: {program} found {found} of {repeat} keys, and should find {expected}",
                    self.name
                );
            }
        }
        Ok(nanoseconds[1] - nanoseconds[0])
    }

    fn json(&self) -> Value {
        let [hot, random, dependent] = &self.samples;
        json!({
            "access": self.name, "keys": self.count,
            "hot": hot, "random": random, "dependent": dependent,
        })
    }
}

fn verdict() -> Op {
    let key = VerdictKey {
        set: SET,
        identity: 0,
    };
    Op::PutVerdict(key, Verdict::ALLOW_ALL)
}

fn fill(stand: &mut Stand, addresses: u32, prefixes: u32) -> Result<()> {
    let peer = |number: u32| Peer {
        identity: number % 500 + 1,
        ..Peer::default()
    };
    for number in 0..addresses {
        let address = Ipv4Addr::from_bits(PEER_V4.to_bits() + number);
        let op = Op::PutAddress(IpAddr::from(address), peer(number));
        stand.maps.apply(&op)?;
    }
    for number in 0..prefixes {
        let first = Ipv4Addr::from_bits(BLOCK.to_bits() + number * BLOCK_STRIDE);
        let net = IpNet::from(Ipv4Net::new(first, 24)?);
        stand.maps.apply(&Op::PutCidr(net, peer(number)))?;
    }
    ensure!(
        addresses > 0 && prefixes > 0,
        "tables to look into are empty"
    );
    Ok(())
}
