//! Denials that are counted together: whatever happens, each is told of exactly once, or counted as not told.

use std::collections::BTreeMap;

use enforcer::datapath::denials::{Alike, Denials};
use enforcer::datapath::frame::{self, SYN};
use enforcer::datapath::judge::{Arrival, Judge as _};
use enforcer::datapath::load::LoadOptions;
use enforcer::datapath::maps;
use enforcer::datapath::probe::Probe;
use enforcer::datapath::told;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint, Event, address};
use enforcer_common::parse::number;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::random::Random;
use crate::world::ip;

const POD: &str = "10.0.0.1";
const PORT: u16 = 80;

/// The programs, with all that is told.
struct Stand {
    probe: Probe,
    ring: aya::maps::RingBuf<aya::maps::MapData>,
    denials: Denials,
    endpoint: Endpoint,
    /// Records that were told of as events, and as counts.
    events: Vec<Event>,
    counted: Vec<Alike>,
}

impl Stand {
    fn new(buckets: u32, events_per_second: u32) -> Self {
        let options = LoadOptions {
            events_per_second: Some(events_per_second),
            map_entries: [("DENIALS".to_owned(), buckets)].into(),
            ..told::options().unwrap()
        };
        let mut probe = Probe::load(&options).unwrap();
        Self {
            ring: probe.take_events().unwrap(),
            denials: probe.take_denials().unwrap(),
            probe,
            endpoint: Endpoint {
                id: 1,
                flags: Endpoint::ISOLATED,
                revisions: [1, 1],
                sets: [1, 0],
                v4: address::v4(POD.parse().unwrap()),
                ..Endpoint::default()
            },
            events: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// A connection to the pod that nobody allows.
    fn deny(&mut self, source: u8, port: u16) {
        let to = (port, PORT);
        let source = format!("10.9.9.{source}");
        let bytes = frame::ip(ip(&source), ip(POD), number::TCP, &frame::tcp(to, SYN)).unwrap();
        let arrival = Arrival {
            bytes: &bytes,
            hook: Direction::Ingress,
            ingress_ifindex: 3,
            segmented: false,
            leaving: false,
        };
        let reason = self.probe.judge(&self.endpoint, &arrival).unwrap();
        assert!(
            matches!(reason, Reason::PolicyDenied | Reason::AuditDenied),
            "{reason:?}"
        );
    }

    fn read_events(&mut self) {
        while let Some(record) = self.ring.next() {
            self.events.push(maps::event(&record).unwrap());
        }
    }

    /// All packets that records tell of, and that have none; each is of one of both.
    fn account(&mut self) -> [u64; 2] {
        self.read_events();
        self.counted.extend(self.denials.sweep().unwrap());
        let counted: u64 = self.counted.iter().map(|alike| alike.count).sum();
        let recorded = self.events.len() as u64 + counted;
        let unrecorded: u64 = self.denials.unrecorded().values().sum();
        let dropped: u64 = [Reason::PolicyDenied, Reason::AuditDenied]
            .map(|reason| {
                let counter = self.probe.maps().counter(Direction::Ingress, reason);
                counter.unwrap().packets
            })
            .iter()
            .sum();
        assert_eq!(recorded + unrecorded, dropped);
        [recorded, unrecorded]
    }
}

/// Runs on each CPU in turn.
fn on_each_cpu(mut work: impl FnMut(usize)) {
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    for cpu in (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap()) {
        let mut one = CpuSet::new();
        one.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &one).unwrap();
        work(cpu);
    }
    sched_setaffinity(Pid::from_raw(0), &all).unwrap();
}

#[test]
fn a_storm_from_one_source_is_an_event_on_each_cpu_and_one_count() {
    let mut stand = Stand::new(64, 1000);
    let (mut cpus, mut sent) = (0, 0);
    on_each_cpu(|_| {
        cpus += 1;
        for port in 0..500 {
            stand.deny(1, 30_000 + port);
            sent += 1;
        }
    });
    assert_eq!(stand.account(), [sent, 0]);
    // One more for every pause of a second, should the machine make any.
    let events = stand.events.len() as u64;
    assert!((cpus..cpus + sent / 10).contains(&events), "{events}");
    let [alike] = stand.counted[..] else {
        panic!("{:?}", stand.counted);
    };
    assert_eq!(alike.count, sent - events);
    assert_eq!(alike.event.destination_port, PORT);
    assert_eq!(alike.event.source[0], address::v4([10, 9, 9, 1].into())[0]);
    assert_eq!(alike.event.destination[0], stand.endpoint.v4[0]);
    assert_eq!(stand.account(), [sent, 0], "nothing is told twice");
    assert_eq!(stand.counted.len(), 1);
}

#[test]
fn what_finds_no_slot_is_an_event_as_far_as_these_go_and_counted_beyond() {
    // One bucket; no second of this test has more events than this.
    let mut stand = Stand::new(1, 3);
    for round in 0..20 {
        for source in 0..=100 {
            stand.deny(source, 30_000 + round);
        }
    }
    let [recorded, unrecorded] = stand.account();
    assert!(
        recorded >= 4 + 3 && unrecorded > 1000,
        "{recorded} {unrecorded}"
    );
}

#[test]
fn a_slot_that_gets_another_key_leaves_nothing_behind() {
    let mut stand = Stand::new(1, 1);
    let mut random = Random::new(3);
    let mut sent = 0;
    for _ in 0..4 {
        for _ in 0..300 {
            stand.deny(u8::try_from(random.below(12)).unwrap(), 30_000);
            sent += 1;
            if random.once_in(40) {
                let [recorded, unrecorded] = stand.account();
                assert_eq!(recorded + unrecorded, sent);
            }
        }
        // Everything has to become old.
        std::thread::sleep(std::time::Duration::from_millis(3200));
    }
    let [recorded, unrecorded] = stand.account();
    assert_eq!(recorded + unrecorded, sent);
    let told: BTreeMap<u32, u64> = stand
        .counted
        .iter()
        .fold(BTreeMap::new(), |mut all, alike| {
            *all.entry(alike.event.source[0]).or_default() += alike.count;
            all
        });
    assert!(told.len() > 4, "no slot got another key: {told:?}");
}

#[test]
fn what_the_ring_has_no_room_for_is_counted() {
    let mut stand = Stand::new(64, u32::MAX);
    // Ever new keys, for which an event is due: more than the ring has room for.
    let room = limits_of_ring();
    let mut sent = 0;
    for port in 0..room / 200 + 10 {
        for source in 0..200 {
            stand.endpoint.id = 1 + port;
            stand.deny(source, 30_000);
            sent += 1;
        }
    }
    let [recorded, unrecorded] = stand.account();
    assert_eq!(recorded + unrecorded, sent);
    assert!(unrecorded > 0);
    let events = stand.events.len() as u64;
    assert!(
        events < sent && events > u64::from(room) / 2,
        "{events} of {sent}"
    );
}

/// Events that fit at most, with the eight bytes that the kernel puts before each.
fn limits_of_ring() -> u32 {
    let each = u32::try_from(size_of::<Event>()).unwrap() + 8;
    enforcer_common::abi::limits::EVENTS / each
}

#[test]
fn audit_is_counted_for_itself() {
    let mut stand = Stand::new(1, 1);
    stand.endpoint.flags |= Endpoint::AUDIT;
    for source in 0..=50 {
        stand.deny(source, 30_000);
    }
    let [_, unrecorded] = stand.account();
    let audit = (Direction::Ingress, Reason::AuditDenied);
    let of_audit = stand.denials.unrecorded().get(&audit).copied();
    assert_eq!(of_audit, Some(unrecorded));
    assert!(unrecorded > 0);
}

#[test]
fn whoever_wants_each_denial_gets_each() {
    let options = LoadOptions {
        each_denial: true,
        events_per_second: Some(u32::MAX),
        ..told::options().unwrap()
    };
    let mut stand = Stand::new(64, 1);
    stand.probe = Probe::load(&options).unwrap();
    stand.ring = stand.probe.take_events().unwrap();
    stand.denials = stand.probe.take_denials().unwrap();
    for port in 0..100 {
        stand.deny(1, 30_000 + port);
    }
    assert_eq!(stand.account(), [100, 0]);
    assert_eq!(stand.events.len(), 100);
}
