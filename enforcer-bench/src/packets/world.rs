//! The programs as the daemon loads them, with tables as the daemon writes them.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::{ProgramFd, SchedClassifier};
use enforcer::datapath::attach::Program;
use enforcer::datapath::denials::Denials;
use enforcer::datapath::judge::LINK;
use enforcer::datapath::load::{self, LoadOptions};
use enforcer::datapath::maps::{self, Maps};
use enforcer::datapath::told;
use enforcer::flow::reader;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint, EventKind};

use super::cluster::{self, Compiled, Size};

/// What the programs are loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// As the daemon loads them, but with one event in a second.
    Usual,
    /// The same with blocks in the measured policy.
    Blocks,
    /// As [`Kind::Usual`], for connections that are remembered: others are not to meet a table that is full of
    /// them.
    Remembered,
    /// As [`Kind::Blocks`], likewise.
    RememberedBlocks,
    /// As [`Kind::Usual`], with a table of connections that is full.
    Full,
    /// As [`Kind::Usual`], but no connection is remembered.
    Untracked,
    /// As [`Kind::Blocks`], but no connection is remembered.
    UntrackedBlocks,
    /// With room for as many connections as this case wants.
    Flows(u32),
    /// Every event is sent, and read.
    Events,
}

/// Loaded programs, and their maps.
pub(super) struct World {
    ebpf: Ebpf,
    maps: Maps,
    pub(super) isolated: Endpoint,
    pub(super) free: Endpoint,
}

impl Kind {
    /// Whether the measured policy has blocks.
    pub(super) fn has_blocks(self) -> bool {
        matches!(
            self,
            Self::Blocks | Self::RememberedBlocks | Self::UntrackedBlocks
        )
    }
}

impl World {
    /// Loads the programs and writes the tables of a cluster.
    ///
    /// `room` is for how many connections there is room where the case does not care; `None` for what
    /// the daemon has.
    pub(super) fn new(kind: Kind, size: Size, room: Option<u32>) -> Result<Self> {
        let Compiled {
            ops,
            isolated,
            free,
        } = cluster::compile(size)?;
        let mut ebpf = load::load(&options(kind, room)?)?;
        let mut maps = Maps::take(&mut ebpf)?;
        ops.iter().try_for_each(|op| maps.apply(op))?;
        if kind == Kind::Events {
            read_events(&mut ebpf, &maps)?;
        }
        Ok(Self {
            ebpf,
            maps,
            isolated,
            free,
        })
    }

    /// Puts an endpoint on the link of the test runs.
    pub(super) fn put(&mut self, endpoint: Endpoint) -> Result<()> {
        Ok(self.maps.put_endpoint(LINK, &endpoint)?)
    }

    /// The program of a hook.
    pub(super) fn program(&mut self, hook: Direction) -> Result<&SchedClassifier> {
        Ok(load::program(&mut self.ebpf, Program::of(hook))?)
    }

    /// The same for the driver.
    pub(super) fn descriptor(&mut self, hook: Direction) -> Result<ProgramFd> {
        Ok(self.program(hook)?.fd()?.try_clone()?)
    }

    /// Packets that were counted for a reason at a hook.
    pub(super) fn counted(&self, hook: Direction, reason: Reason) -> Result<u64> {
        Ok(self.maps.counter(hook, reason)?.packets)
    }

    /// New flows without an event, or denials of which neither an event nor a slot tells.
    pub(super) fn suppressed(&self, kind: EventKind) -> Result<u64> {
        Ok(match kind {
            EventKind::Allowed => self.maps.suppressed()?,
            EventKind::Denied | EventKind::Audit => self.maps.unrecorded()?,
        })
    }
}

fn options(kind: Kind, room: Option<u32>) -> Result<LoadOptions> {
    let (entries, rate) = match kind {
        Kind::Flows(entries) => (Some(entries), 1),
        Kind::Events => (room, u32::MAX),
        _ => (room, 1),
    };
    Ok(LoadOptions {
        map_entries: entries.map_or_else(BTreeMap::new, |entries| {
            ["FLOWS_V4", "FLOWS_V6"]
                .map(|name| (name.to_owned(), entries))
                .into()
        }),
        events_per_second: Some(rate),
        each_denial: kind == Kind::Events,
        untracked: matches!(kind, Kind::Untracked | Kind::UntrackedBlocks),
        ..told::options()?
    })
}

/// Reads them as the daemon does, and forgets them. Ends with the process.
fn read_events(ebpf: &mut Ebpf, maps: &Maps) -> Result<()> {
    let (ring, denials) = (maps::take_events(ebpf)?, Denials::take(ebpf, maps)?);
    let mut stream = reader::start(ring, denials).context("starting the reader")?;
    thread::spawn(move || while stream.batches.blocking_recv().is_some() {});
    Ok(())
}
