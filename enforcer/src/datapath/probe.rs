//! Asks the loaded programs by `BPF_PROG_TEST_RUN`: maps of its own, attached to nothing, so that
//! no packet of this host ever meets them.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

use aya::Ebpf;
use aya::maps::{Map, MapData, MapError, RingBuf};
use aya::programs::{TestRun as _, TestRunOptions};
use enforcer_common::abi::{Direction, Endpoint, Flow, limits};
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6};
use enforcer_common::{Action, Reason};
use enforcer_policy::tables::{Op, Tables};

use super::attach::Program;
use super::denials::Denials;
use super::flow_maps::{self, Flows, Table};
use super::judge::{Arrival, Judge, JudgeError, LINK, OTHER_LINK};
use super::load::{self, LoadError, LoadOptions};
use super::maps::{self, Maps, MapsError};
use super::told::{self, field};

/// What a program returns for a packet that passes (`linux/pkt_cls.h`).
const TC_ACT_UNSPEC: i32 = -1;
/// What it returns for one that is dropped.
const TC_ACT_SHOT: i32 = 2;

/// The loaded programs with a set of maps for themselves.
pub struct Probe {
    ebpf: Ebpf,
    maps: Maps,
    /// Packets that each program is known to have counted, by reason.
    counted: BTreeMap<(Direction, Reason), u64>,
    /// The reasons of each program, the last that was met first: it is likely to be the next.
    likely: [Vec<Reason>; 2],
    /// The link that runs pretend to take place on.
    ifindex: u32,
    /// The field in which programs find the link by which a packet came.
    came_by: usize,
    /// Whether test runs can be told of that; found out when it matters.
    can_be_told: Option<bool>,
}

impl Probe {
    /// Loads the programs and fills their maps, which get as large as these tables need.
    pub fn new(tables: &Tables) -> Result<Self, JudgeError> {
        let mut probe = Self::load(&LoadOptions {
            map_entries: room_for(tables),
            ..LoadOptions::default()
        })?;
        probe.fill(tables)?;
        Ok(probe)
    }

    /// Loads the programs; their maps are empty.
    pub fn load(options: &LoadOptions) -> Result<Self, JudgeError> {
        let mut ebpf = load::load(options)?;
        let maps = Maps::take(&mut ebpf)?;
        Ok(Self {
            ebpf,
            maps,
            counted: BTreeMap::new(),
            likely: [Reason::ALL.to_vec(), Reason::ALL.to_vec()],
            ifindex: LINK,
            came_by: field::came_by(options),
            can_be_told: None,
        })
    }

    /// The events that the programs send from now on. They find no place once nobody takes them.
    pub fn take_events(&mut self) -> Result<RingBuf<MapData>, MapsError> {
        maps::take_events(&mut self.ebpf)
    }

    /// Lets time pass, as far as flows are concerned: they become as much older.
    pub fn advance(&mut self, seconds: u32) -> Result<(), JudgeError> {
        let rate = load::ticks_per_second().map_err(LoadError::from)?;
        let ticks = seconds.wrapping_mul(rate);
        let older = |flow: Flow| Flow {
            last_seen: flow.last_seen.wrapping_sub(ticks),
            ..flow
        };
        self.flows::<BUCKET_V4>(flow_maps::V4)?.change::<1>(older)?;
        self.flows::<BUCKET_V6>(flow_maps::V6)?.change::<4>(older)?;
        Ok(())
    }

    /// What the programs count of denials from now on.
    pub fn take_denials(&mut self) -> Result<Denials, MapsError> {
        Denials::take(&mut self.ebpf, &self.maps)
    }

    /// The maps, for reading.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    fn flows<const N: usize>(&mut self, table: Table) -> Result<Flows<N>, JudgeError> {
        let descriptor = match self.ebpf.map(table.map) {
            Some(Map::Array(data)) => data.fd().as_fd().try_clone_to_owned(),
            _ => return Err(MapsError::NoMap(table.map).into()),
        };
        let data = descriptor
            .map_err(MapError::from)
            .and_then(MapData::from_fd);
        Ok(Flows::of(
            table,
            maps::access(table.map, "be opened", data)?,
        )?)
    }

    /// Runs take place on this link of the calling thread's network namespace from now on.
    pub fn set_link(&mut self, ifindex: u32) {
        self.ifindex = ifindex;
    }

    /// Does a write of the compiler. Those of endpoints say nothing here: a judge is told which
    /// endpoint it is asked about.
    pub fn apply(&mut self, op: &Op) -> Result<(), MapsError> {
        self.maps.apply(op)
    }

    /// Takes the content of these tables over; the maps must be empty.
    pub fn fill(&mut self, tables: &Tables) -> Result<(), MapsError> {
        self.maps.fill(tables)
    }

    /// Runs a program and returns what it returned.
    fn run(&mut self, which: Program, arrival: &Arrival<'_>) -> Result<i32, JudgeError> {
        let mut context = [0_u32; field::COUNT];
        context[self.came_by] = arrival.ingress_ifindex;
        if arrival.leaving {
            context[self.came_by] = OTHER_LINK;
            context[field::MARK] = limits::MARK;
        }
        context[field::IFINDEX] = self.ifindex;
        context[field::GSO_SIZE] = u32::from(arrival.segmented) * 1000;
        let program = load::program(&mut self.ebpf, which)?;
        let result = program.test_run(TestRunOptions {
            data_in: Some(arrival.bytes),
            ctx_in: Some(bytemuck::cast_slice(&context)),
            ..TestRunOptions::new()
        });
        match result {
            Ok(result) => Ok(result.return_value.cast_signed()),
            Err(_) if context[field::INGRESS_IFINDEX] != 0 && !self.can_be_told()? => {
                Err(JudgeError::Untold)
            }
            Err(source) => Err(JudgeError::TestRun {
                program: which.name(),
                length: arrival.bytes.len(),
                source,
            }),
        }
    }

    fn can_be_told(&mut self) -> Result<bool, JudgeError> {
        let possible = match self.can_be_told {
            Some(known) => known,
            None => told::is_possible()?,
        };
        self.can_be_told = Some(possible);
        Ok(possible)
    }

    /// The reason that was counted since the last time; `None` when nothing was.
    fn counted(&mut self, hook: Direction) -> Result<Option<Reason>, MapsError> {
        let likely = &mut self.likely[hook.index()];
        for index in 0..likely.len() {
            let reason = likely[index];
            let packets = self.maps.counter(hook, reason)?.packets;
            let known = self.counted.entry((hook, reason)).or_default();
            if packets != *known {
                *known = packets;
                likely[..=index].rotate_right(1);
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }
}

impl Judge for Probe {
    fn judge(&mut self, endpoint: &Endpoint, arrival: &Arrival<'_>) -> Result<Reason, JudgeError> {
        let (hook, which) = if arrival.leaving {
            // The link on which runs take place must be no pod's.
            self.maps.delete_endpoint(self.ifindex)?;
            self.maps.put_endpoint(OTHER_LINK, endpoint)?;
            (Direction::Egress, Program::Leaving)
        } else {
            self.maps.put_endpoint(self.ifindex, endpoint)?;
            (arrival.hook, Program::of(arrival.hook))
        };
        let action = self.run(which, arrival)?;
        let uncounted = uncounted(endpoint, hook, which);
        // Most packets at such an endpoint; then no counter need be read.
        let plain = uncounted.is_some() && endpoint.flags & Endpoint::AUDIT == 0;
        let reason = if plain && action == TC_ACT_UNSPEC {
            uncounted
        } else {
            self.counted(hook)?.or(uncounted)
        };
        match (action, reason, reason.map(Reason::action)) {
            (TC_ACT_UNSPEC, Some(reason), Some(Action::Pass))
            | (TC_ACT_SHOT, Some(reason), Some(Action::Drop)) => Ok(reason),
            _ => Err(JudgeError::Contradiction {
                program: which.name(),
                action,
                reason,
            }),
        }
    }
}

/// Why a packet passes at an endpoint that is not looked at closely, where the programs save
/// themselves the counting.
fn uncounted(endpoint: &Endpoint, hook: Direction, which: Program) -> Option<Reason> {
    let is = |flag| endpoint.flags & flag != 0;
    let checked = hook == Direction::Egress && is(Endpoint::CHECK_SOURCE);
    if endpoint.id == 0 || is(Endpoint::ISOLATED) || is(Endpoint::DENY_ALL) {
        None
    } else if is(Endpoint::PENDING) && !checked && which != Program::Leaving {
        Some(Reason::PendingAllowed)
    } else {
        Some(Reason::NotIsolated)
    }
}

/// Sizes of the maps: at least the defaults, except that few flows are tracked at a time.
fn room_for(tables: &Tables) -> BTreeMap<String, u32> {
    let needed = |entries: usize, default: u32| {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        entries.max(default)
    };
    let addresses = needed(tables.addresses.len(), limits::ADDRESSES);
    let cidrs = needed(tables.cidrs.len(), limits::CIDRS);
    [
        ("ADDRESSES_V4", addresses),
        ("ADDRESSES_V6", addresses),
        ("CIDRS_V4", cidrs),
        ("CIDRS_V6", cidrs),
        ("VERDICTS", needed(tables.verdicts.len(), limits::VERDICTS)),
        ("PORTS", needed(tables.ports.len(), 1)),
        ("FLOWS_V4", 2_048),
        ("FLOWS_V6", 2_048),
    ]
    .map(|(name, entries)| (name.to_owned(), entries))
    .into()
}
