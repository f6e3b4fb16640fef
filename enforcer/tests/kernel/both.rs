//! The same packet, shown to the host's code and to the loaded program.

use aya::maps::{MapData, RingBuf};
use enforcer::datapath::judge::{Judge, JudgeError};
use enforcer::datapath::load::LoadOptions;
use enforcer::datapath::maps;
use enforcer::datapath::memory::Memory;
use enforcer::datapath::probe::Probe;
use enforcer::datapath::told;
use enforcer_common::Reason;
use enforcer_common::abi::{Endpoint, Event};
use enforcer_policy::tables::Tables;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use crate::packets::Packet;
use crate::world;

/// Both, with the same tables, endpoints and history.
pub(crate) struct Both {
    pub(crate) host: Memory,
    pub(crate) kernel: Probe,
    events: RingBuf<MapData>,
    /// Packets that the kernel does not show to any program.
    pub(crate) refused: usize,
}

impl Both {
    pub(crate) fn new() -> Self {
        stay_on_this_cpu();
        let options = LoadOptions {
            events_per_second: Some(u32::MAX),
            each_denial: true,
            ..told::options().unwrap_or_else(|error| panic!("{error}"))
        };
        let mut kernel = Probe::load(&options).unwrap_or_else(|error| panic!("{error}"));
        Self {
            events: kernel.take_events().unwrap(),
            host: Memory::default(),
            kernel,
            refused: 0,
        }
    }

    /// Replaces the tables; flows stay.
    pub(crate) fn set_tables(&mut self, tables: Tables) {
        for op in world::removal(&self.host.tables) {
            self.kernel.apply(&op).unwrap();
        }
        self.kernel.fill(&tables).unwrap();
        self.host.tables = tables;
    }

    /// Lets time pass for both.
    pub(crate) fn advance(&mut self, seconds: u32) {
        self.host.advance(seconds);
        self.kernel.advance(seconds).unwrap();
    }

    /// Shows them a packet. They must agree on what becomes of it, why, and what is reported.
    /// `None` when the kernel does not take the packet.
    pub(crate) fn judge(&mut self, endpoint: &Endpoint, packet: &Packet) -> Option<Reason> {
        let kernel = match self.kernel.judge(endpoint, &packet.arrival()) {
            Err(JudgeError::TestRun { .. }) if is_too_short_for_test_runs(&packet.bytes) => {
                self.refused += 1;
                return None;
            }
            kernel => kernel,
        };
        let kernel = kernel.unwrap_or_else(|error| panic!("{error}: {packet:02x?}"));
        let host = self.host.judge(endpoint, &packet.arrival()).unwrap();
        assert_eq!(kernel, host, "kernel, host: {packet:02x?} at {endpoint:?}");
        assert_eq!(
            self.kernel_event(),
            self.host.take_events().pop(),
            "{packet:02x?}"
        );
        Some(host)
    }

    fn kernel_event(&mut self) -> Option<Event> {
        let record = self.events.next()?;
        Some(maps::event(&record).unwrap())
    }
}

/// Every CPU has a flow cache of its own, the host's code has one.
fn stay_on_this_cpu() {
    let mut here = CpuSet::new();
    here.set(sched_getcpu().unwrap()).unwrap();
    sched_setaffinity(Pid::from_raw(0), &here).unwrap();
}

/// Test runs look at the IP header themselves and refuse a packet without a whole one.
fn is_too_short_for_test_runs(bytes: &[u8]) -> bool {
    let header = match bytes.get(12..14) {
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        _ => 0,
    };
    bytes.len() < 14 + header
}
