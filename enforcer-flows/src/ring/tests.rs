use proptest::prelude::*;

use super::*;
use crate::filter::Term;
use crate::record::tests::{allowed, denied};

fn all() -> Query {
    Query::default()
}

fn denials() -> Query {
    let term: Term = "verdict=denied".parse().unwrap();
    Query {
        filter: [term].into_iter().collect(),
        ..Query::default()
    }
}

fn ring(records: usize) -> Ring {
    let limits = Limits {
        records,
        bytes: usize::MAX,
    };
    Ring::new(limits, 1000)
}

fn numbers(page: &Page) -> Vec<u64> {
    page.records.iter().map(|one| one.sequence).collect()
}

#[test]
fn a_reader_that_is_in_time_misses_nothing() {
    let mut ring = ring(3);
    let mut at = ring.oldest();
    for number in 1000..1010 {
        ring.push(allowed());
        let page = ring.read(&all(), at, u64::MAX, 10);
        assert_eq!(numbers(&page), [number]);
        assert_eq!((page.missed, page.restarted), (0, false));
        at = page.next;
    }
}

#[test]
fn a_slow_reader_is_told_exactly_how_many_it_missed() {
    let mut ring = ring(3);
    for _ in 0..10 {
        ring.push(allowed());
    }
    let page = ring.read(&all(), 1002, u64::MAX, 10);
    assert_eq!(numbers(&page), [1007, 1008, 1009]);
    assert_eq!((page.missed, page.next), (5, 1010));
    assert_eq!((ring.seen(), ring.len()), (10, 3));
}

#[test]
fn a_number_of_an_earlier_daemon_begins_with_the_first_of_this_one() {
    let mut ring = ring(3);
    for _ in 0..4 {
        ring.push(allowed());
    }
    for foreign in [7, 5000] {
        let page = ring.read(&all(), foreign, u64::MAX, 10);
        assert!(page.restarted);
        assert_eq!(page.missed, 1);
        assert_eq!(numbers(&page), [1001, 1002, 1003]);
    }
}

#[test]
fn a_page_looks_at_no_more_than_it_may() {
    let mut ring = ring(100);
    for _ in 0..10 {
        ring.push(allowed());
        ring.push(denied());
    }
    let page = ring.read(&denials(), 1000, 1010, 4);
    assert_eq!(numbers(&page), [1001, 1003]);
    assert_eq!(page.next, 1004);
    let page = ring.read(&denials(), 1008, 1010, 4);
    assert_eq!(numbers(&page), [1009]);
    assert_eq!(page.next, 1010);
}

#[test]
fn bytes_are_limited_too() {
    let limits = Limits {
        records: usize::MAX,
        bytes: 10 * denied().charge(),
    };
    let mut ring = Ring::new(limits, 0);
    for _ in 0..100 {
        // Each has its own parts, as if all pods and policies were different.
        ring.push(serde_json::from_str(&serde_json::to_string(&denied()).unwrap()).unwrap());
        assert!(ring.bytes <= limits.bytes);
    }
    assert_eq!(ring.len(), 10);
}

#[test]
fn what_records_share_is_not_charged_to_each() {
    let alone = denied();
    let first = alone.charge();
    let copies = vec![alone.clone(); 100];
    assert!(2 * alone.charge() < first, "{first}");
    assert_eq!(copies.len(), 100);
}

proptest! {
    #[test]
    fn the_last_that_are_wanted_are_found_backwards(
        kinds in prop::collection::vec(any::<bool>(), 0..40),
        kept in 1_usize..40,
        wanted in 0_u64..20,
        most in 1_usize..10,
    ) {
        let mut ring = ring(kept);
        for is_denied in &kinds {
            ring.push(if *is_denied { denied() } else { allowed() });
        }
        let (mut end, mut left) = (ring.head(), wanted);
        while left > 0 && end > ring.oldest() {
            (end, left) = ring.search_back(&denials(), (ring.oldest(), end), left, most);
        }
        let all = numbers(&ring.read(&denials(), ring.oldest(), u64::MAX, usize::MAX));
        let expected = &all[all.len().saturating_sub(usize::try_from(wanted).unwrap())..];
        let found = ring.read(&denials(), end, u64::MAX, usize::MAX);
        prop_assert_eq!(numbers(&found), expected);
    }

    #[test]
    fn pages_together_are_everything(
        count in 0_usize..40, kept in 1_usize..40, most in 1_usize..10,
    ) {
        let mut ring = ring(kept);
        for _ in 0..count {
            ring.push(allowed());
        }
        let (mut at, mut seen) = (ring.oldest(), Vec::new());
        while at < ring.head() {
            let page = ring.read(&all(), at, u64::MAX, most);
            seen.extend(numbers(&page));
            at = page.next;
        }
        let expected: Vec<u64> = (ring.oldest()..ring.head()).collect();
        prop_assert_eq!(seen, expected);
    }
}
