use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::{inside, key, link, parse, slave, there};
use super::*;
use crate::datapath::discover::Unenforceable;

const ADDRESSES: [&str; 4] = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What happens to a node.
#[derive(Clone, Debug)]
enum Event {
    /// A pod has these addresses, or is gone.
    Pod(usize, Option<Vec<usize>>),
    /// A look finds these links, each in one of the namespaces and with these addresses, and of the
    /// last kind those that cannot be enforced.
    Links(Vec<(usize, Vec<usize>, u8)>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let addresses = || vec(0..ADDRESSES.len(), 0..3);
    let links = vec((0..NAMES.len(), addresses(), 0..4_u8), 0..6);
    let event = prop_oneof![
        4 => (0..NAMES.len(), proptest::option::weighted(0.8, addresses()))
            .prop_map(|(pod, addresses)| Event::Pod(pod, addresses)),
        1 => links.prop_map(Event::Links),
    ];
    vec(event, 1..30)
}

fn texts(numbers: &[usize]) -> Vec<&'static str> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().map(|number| ADDRESSES[*number]).collect()
}

fn links(parts: &[(usize, Vec<usize>, u8)]) -> Links {
    let mut spaces = NAMES.map(|name| (name, Vec::new(), Vec::<Unenforceable>::new()));
    for (index, (space, addresses, kind)) in (1..).zip(parts) {
        let (name, enforceable, others) = &mut spaces[*space];
        let addresses = texts(addresses);
        match kind {
            0 => others.push(slave(&addresses)),
            1 => others.push(inside(&addresses)),
            _ => enforceable.push(link(name, index, &addresses)),
        }
    }
    let spaces = spaces.each_ref();
    there(&spaces.map(|(name, links, others)| (*name, &links[..], &others[..])))
}

proptest! {
    /// The whole is the same whether it is matched at once or by what each change touches.
    #[test]
    fn parts_make_up_the_whole(events in events()) {
        let mut matcher = Matcher::default();
        let mut whole = Matching::default();
        for event in events {
            let earlier = matcher.pods().clone();
            match event {
                Event::Pod(pod, addresses) => {
                    let addresses = addresses.map(|addresses| parse(&texts(&addresses)));
                    matcher.note(key(NAMES[pod]), addresses.as_deref());
                }
                Event::Links(parts) => matcher.set_links(links(&parts)),
            }
            let mut now = match_pods(matcher.links(), matcher.pods());
            now.keep(&whole, |pod| earlier.get(pod) == matcher.pods().get(pod));
            whole = now;
            matcher.update();
            prop_assert_eq!(matcher.matching(), &whole);
            prop_assert!(matcher.is_current());
        }
    }
}

#[test]
fn only_what_shares_an_address_is_matched_again() {
    let spaces = [
        ("a", &[link("a", 1, &["10.0.0.1"])][..], &[][..]),
        ("b", &[link("b", 2, &["10.0.0.2"])][..], &[][..]),
    ];
    let mut matcher = Matcher::default();
    matcher.set_links(there(&spaces));
    matcher.note(key("a"), Some(&parse(&["10.0.0.1"])));
    assert_eq!(matcher.update().part, None);
    matcher.note(key("b"), Some(&parse(&["10.0.0.2"])));
    let part = matcher.update().part.unwrap();
    let of: Vec<_> = part.links.keys().collect();
    assert_eq!((of, part.unknown.len()), (vec![&key("b")], 0));
    assert_eq!(matcher.matching().links.len(), 2);
    // As it was before anybody was told is no change.
    matcher.note(key("b"), None);
    matcher.note(key("b"), Some(&parse(&["10.0.0.2"])));
    assert!(matcher.is_current());
}
