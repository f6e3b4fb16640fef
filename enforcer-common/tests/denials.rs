//! Where alike denials are counted: nothing is counted twice, and nothing is lost without being counted.

use std::cell::Cell;
use std::collections::BTreeMap;

use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Event, EventKind};
use enforcer_common::decide::Report;
use enforcer_common::denials::{self, BUCKET, Denial, SLOTS};
use enforcer_common::flow_table::{Bucket, Secrets};
use enforcer_common::packet::Frame;

const SECRETS: Secrets = [3, 0x9e37_79b9_7f4a_7c15, 7, 0x1234_5679, 11];
const SECOND: u32 = 100;

struct Memory([Cell<u64>; BUCKET]);

impl Memory {
    fn new() -> Self {
        Self([const { Cell::new(0) }; BUCKET])
    }
}

impl Bucket for Memory {
    fn load(&self, index: usize) -> u64 {
        self.0[index].get()
    }
    fn store(&self, index: usize, value: u64) {
        self.0[index].set(value);
    }
}

/// A TCP packet from an address, an ARP frame for 0.
fn frame(source: u8) -> Vec<u8> {
    let mut bytes = vec![0; 54];
    if source == 0 {
        bytes[12..14].copy_from_slice(&[0x08, 0x06]);
        return bytes;
    }
    bytes[12..14].copy_from_slice(&[0x08, 0x00]);
    bytes[26..34].copy_from_slice(&[10, 0, 0, source, 10, 0, 1, 1]);
    bytes
}

fn report(ports: (u16, u16)) -> Report {
    Report {
        kind: EventKind::Denied,
        reason: Reason::PolicyDenied,
        hook: Direction::Ingress,
        direction: Direction::Ingress,
        protocol: 6,
        ports: u32::from(ports.0) << 16 | u32::from(ports.1),
        ifindex: 7,
        endpoint: 3,
        identity: 0,
        set: 0,
    }
}

fn denial(source: u8, ports: (u16, u16), now: u32) -> Denial {
    denial_of(source, &report(ports), now)
}

fn denial_of(source: u8, report: &Report, now: u32) -> Denial {
    let bytes = frame(source);
    let frame = Frame {
        bytes: &bytes,
        ..Frame::default()
    };
    Denial::of(&frame, report).at(now)
}

#[test]
fn only_the_clients_port_makes_no_difference() {
    let one = denial(1, (40_000, 80), 5);
    let tag = one.tag(&SECRETS);
    assert_eq!(denial(1, (40_001, 80), 9).tag(&SECRETS), tag);
    assert_ne!(denial(1, (40_000, 81), 5).tag(&SECRETS), tag);
    assert_ne!(denial(2, (40_000, 80), 5).tag(&SECRETS), tag);
    let plain = report((40_000, 80));
    for other in [
        Report {
            endpoint: 4,
            ..plain
        },
        Report {
            ifindex: 8,
            ..plain
        },
        Report {
            protocol: 17,
            ..plain
        },
        Report {
            kind: EventKind::Audit,
            ..plain
        },
        Report {
            reason: Reason::Revoked,
            ..plain
        },
        Report {
            hook: Direction::Egress,
            ..plain
        },
        Report {
            direction: Direction::Egress,
            ..plain
        },
    ] {
        assert_ne!(denial_of(1, &other, 5).tag(&SECRETS), tag, "{other:?}");
    }
}

#[test]
fn the_port_of_an_answer_that_counts_is_its_source() {
    let answer = |ports| {
        let report = Report {
            direction: Direction::Egress,
            ..report(ports)
        };
        denial_of(1, &report, 5)
    };
    let tag = answer((80, 40_000)).tag(&SECRETS);
    assert_eq!(answer((80, 40_001)).tag(&SECRETS), tag);
    assert_ne!(answer((81, 40_000)).tag(&SECRETS), tag);
}

#[test]
fn pings_are_alike_and_other_messages_are_told_by_their_type() {
    let icmp = |ports| {
        let report = Report {
            protocol: 1,
            ..report(ports)
        };
        denial_of(1, &report, 5).tag(&SECRETS)
    };
    assert_eq!(icmp((700, 8)), icmp((701, 8)), "echo requests");
    assert_ne!(icmp((3, 1)), icmp((11, 1)));
}

#[test]
fn an_event_says_what_the_programs_would_have_said() {
    for (hook, direction) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let [hook, direction] =
            [hook, direction].map(|number| Direction::from_number(number).unwrap());
        let report = Report {
            hook,
            direction,
            ..report((40_000, 80))
        };
        for source in [0, 1] {
            let bytes = frame(source);
            let frame = Frame {
                bytes: &bytes,
                ..Frame::default()
            };
            let mut expected = Event::default();
            report.fill(&frame, &mut expected);
            assert_eq!(
                Denial::of(&frame, &report).at(5).event(),
                expected,
                "{report:?}"
            );
        }
    }
}

#[test]
fn a_slot_that_is_read_half_written_is_nobodys() {
    let bucket = Memory::new();
    let [one, two] = [denial(1, (1, 80), 5), denial(2, (1, 80), 5)];
    denials::take(&bucket, 0, &one, one.tag(&SECRETS));
    let before: Vec<u64> = bucket.0.iter().map(Cell::get).collect();
    denials::count(&bucket, 0, &one);
    denials::take(&bucket, 0, &two, two.tag(&SECRETS));
    let after: Vec<u64> = bucket.0.iter().map(Cell::get).collect();
    // Every mixture of the ten words of two moments.
    for chosen in 0_u32..1 << 10 {
        for (index, word) in bucket.0.iter().enumerate().take(10) {
            let source = if chosen >> index & 1 == 0 {
                &before
            } else {
                &after
            };
            word.set(source[index]);
        }
        let Some(entry) = denials::entry(&bucket, 0, &SECRETS) else {
            continue;
        };
        let whole = [(one, 0, 0), (two, 1, 1)];
        let told = whole.iter().any(|(denial, count, base)| {
            entry.tag == denial.tag(&SECRETS) && (entry.count, entry.base) == (*count, *base)
        });
        assert!(told, "{entry:?}");
    }
}

/// What a reader has told, and what it has in mind.
#[derive(Default)]
struct Reader {
    known: BTreeMap<usize, denials::Entry>,
    told: u64,
    ended: u64,
}

impl Reader {
    fn read(&mut self, bucket: &Memory) {
        for slot in 0..SLOTS {
            let Some(entry) = denials::entry(bucket, slot, &SECRETS) else {
                continue;
            };
            let before = self.known.insert(slot, entry);
            match before {
                Some(before) if (before.tag, before.base) == (entry.tag, entry.base) => {
                    self.told += entry.count - before.count;
                }
                before => {
                    self.ended += before.map_or(0, |before| before.count - before.base);
                    self.told += entry.count - entry.base;
                }
            }
        }
    }
}

/// The rule that everything rests on, for any sequence of denials, pauses, readings and events.
#[test]
fn events_and_counts_and_what_has_no_record_are_all_there_was() {
    let mut state = 1_u64;
    let mut random = |below: u32| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        u32::try_from(state >> 33).unwrap() % below
    };
    let (mut evicted, mut refused) = (0, 0);
    for _ in 0..300 {
        let (bucket, mut reader) = (Memory::new(), Reader::default());
        let (mut now, mut all, mut events, mut unrecorded) = (u32::MAX - 500, 0_u64, 0, 0);
        for _ in 0..400 {
            now = now.wrapping_add(random(4) * random(200));
            if random(10) == 0 {
                reader.read(&bucket);
            }
            let denial = denial(u8::try_from(1 + random(8)).unwrap(), (9, 80), now);
            let tag = denial.tag(&SECRETS);
            all += 1;
            let may = random(3) == 0;
            let own = denials::search(&bucket, tag);
            let known = own < 4;
            let slot = if known {
                own
            } else {
                denials::room(&bucket, now, SECOND)
            };
            let slot = usize::try_from(slot).unwrap();
            if !known && slot < SLOTS {
                let (_, had) = denials::take(&bucket, slot, &denial, tag);
                unrecorded += had;
                evicted += u64::from(had > 0);
            }
            if may && (!known || denials::is_quiet(&bucket, slot, now, SECOND)) {
                events += 1;
                if slot < SLOTS {
                    denials::date(&bucket, slot, &denial);
                }
            } else if slot < SLOTS {
                denials::count(&bucket, slot, &denial);
            } else {
                unrecorded += 1;
                refused += 1;
            }
        }
        reader.read(&bucket);
        assert_eq!(events + reader.told + unrecorded - reader.ended, all);
    }
    assert!(evicted > 100 && refused > 100, "{evicted} {refused}");
}
