use enforcer_common::Reason;
use proptest::prelude::*;

use super::*;
use crate::record::tests::{all, allowed, closed, denied, ping};

fn filter(terms: &[&str]) -> Filter {
    terms.iter().map(|text| text.parse().unwrap()).collect()
}

/// Which of the four records a filter means.
fn meant(terms: &[&str]) -> Vec<u64> {
    let filter = filter(terms);
    let records = all();
    let meant = records.iter().filter(|record| filter.matches(record));
    meant.map(|record| record.sequence).collect()
}

const ALLOWED: u64 = 1;
const DENIED: u64 = 2;
const PING: u64 = 3;
const CLOSED: u64 = 4;

#[test]
fn the_records_have_their_numbers() {
    assert_eq!(
        [allowed(), denied(), ping(), closed()].map(|one| one.sequence),
        [ALLOWED, DENIED, PING, CLOSED]
    );
}

#[test]
fn without_terms_everything_is_meant() {
    assert_eq!(meant(&[]), [ALLOWED, DENIED, PING, CLOSED]);
}

#[test]
fn each_kind_means_what_it_says() {
    for (term, expected) in [
        ("namespace=prod", &[ALLOWED, DENIED][..]),
        ("namespace=kube-*", &[CLOSED]),
        ("pod=web", &[ALLOWED, DENIED, CLOSED]),
        ("pod=prod/d?", &[ALLOWED, DENIED]),
        ("pod=prod/", &[ALLOWED, DENIED]),
        ("pod=db", &[]),
        ("pod=*/db", &[ALLOWED, DENIED]),
        ("workload=deployment/web", &[ALLOWED, DENIED, CLOSED]),
        ("workload=db", &[ALLOWED, DENIED]),
        ("workload=Deployment/db", &[]),
        ("label=app=web,tier!=back", &[ALLOWED, DENIED, CLOSED]),
        ("label=!tier", &[ALLOWED, DENIED]),
        ("label=none", &[]),
        ("service=kube-system/dns", &[CLOSED]),
        ("service=dns", &[]),
        ("ip=10.244.0.3", &[ALLOWED, DENIED]),
        ("ip=10.0.0.0/8", &[ALLOWED, DENIED, CLOSED]),
        ("ip=fd00::/8", &[PING]),
        ("port=53", &[CLOSED]),
        ("port=80-90", &[ALLOWED, DENIED]),
        ("identity=9", &[ALLOWED, DENIED]),
        ("identity=0", &[PING, CLOSED]),
        ("node=n2", &[ALLOWED, DENIED]),
        ("protocol=udp", &[CLOSED]),
        ("protocol=58", &[PING]),
        ("verdict=allowed", &[ALLOWED, CLOSED]),
        ("verdict=deny", &[DENIED]),
        ("verdict=dropped", &[DENIED]),
        ("verdict=audit", &[PING]),
        ("kind=closed", &[CLOSED]),
        ("reason=policy-denied", &[DENIED, PING]),
        ("policy=prod/deny", &[ALLOWED]),
        ("policy=prod/d*", &[ALLOWED, DENIED]),
        ("direction=egress", &[PING, CLOSED]),
    ] {
        assert_eq!(meant(&[term]), expected, "{term}");
    }
}

#[test]
fn a_side_may_be_asked_for() {
    for (term, expected) in [
        ("pod=from:web", &[ALLOWED, DENIED, CLOSED][..]),
        ("pod=to:web", &[]),
        ("namespace=to:prod", &[ALLOWED, DENIED]),
        ("ip=from:fd00::7", &[PING]),
        ("port=from:80", &[]),
        ("port=to:80", &[ALLOWED, DENIED]),
        ("label=to:app=db", &[ALLOWED, DENIED]),
        ("identity=to:0", &[PING, CLOSED]),
        ("workload=from:web", &[ALLOWED, DENIED, CLOSED]),
        ("service=from:kube-system/dns", &[]),
    ] {
        assert_eq!(meant(&[term]), expected, "{term}");
    }
}

#[test]
fn a_node_is_the_reporting_one_unless_a_side_is_asked_for() {
    assert_eq!(meant(&["node=n1"]), [CLOSED]);
    assert_eq!(meant(&["node=from:n1"]), [ALLOWED, DENIED, CLOSED]);
    assert_eq!(meant(&["node=from:n3"]), [PING]);
}

#[test]
fn values_of_one_kind_are_alternatives_and_kinds_must_all_hold() {
    assert_eq!(meant(&["verdict=denied", "verdict=audit"]), [DENIED, PING]);
    assert_eq!(meant(&["verdict=allowed", "protocol=udp"]), [CLOSED]);
    assert_eq!(
        meant(&["port=80", "port=53", "verdict=allowed"]),
        [ALLOWED, CLOSED]
    );
    assert_eq!(
        meant(&["pod=from:web", "pod=to:prod/db", "kind=opened"]),
        [ALLOWED]
    );
    assert_eq!(meant(&["pod=from:web", "pod=to:web"]), [] as [u64; 0]);
}

#[test]
fn none_of_what_is_negated_may_hold() {
    assert_eq!(meant(&["verdict=not:allowed"]), [DENIED, PING]);
    assert_eq!(meant(&["port=not:53", "port=not:80"]), [PING]);
    assert_eq!(meant(&["pod=not:to:prod/db"]), [PING, CLOSED]);
    assert_eq!(meant(&["pod=web", "pod=not:prod/db"]), [CLOSED]);
}

#[test]
fn no_label_selector_means_who_is_no_pod() {
    assert_eq!(meant(&["label=from:app!=x"]), [ALLOWED, DENIED, CLOSED]);
    assert_eq!(meant(&["label=to:!app"]), [] as [u64; 0]);
}

#[test]
fn every_reason_can_be_asked_for() {
    for reason in Reason::ALL {
        let term: Term = format!("reason={}", reason.name()).parse().unwrap();
        let mut record = denied();
        record.reason = *reason;
        assert!(filter(&[&term.to_string()]).matches(&record));
    }
}

#[test]
fn mistakes_say_what_can_be_written() {
    for (text, said) in [
        ("pod", "write WHAT=VALUE"),
        ("colour=red", "there are namespace, pod"),
        ("pod=a/b/c", "NAMESPACE/NAME"),
        ("pod=", "NAMESPACE/NAME"),
        ("ip=10.0.0", "10.0.0.0/8"),
        ("ip=10.0.0.0/33", "10.0.0.0/8"),
        ("port=65536", "65535"),
        ("port=90-80", "8000-8100"),
        ("protocol=http", "TCP, UDP"),
        ("verdict=maybe", "allowed, denied or audit"),
        ("kind=maybe", "opened, denied, audited or closed"),
        ("reason=maybe", "policy-denied"),
        ("direction=up", "ingress or egress"),
        ("label=a=", ""),
        ("verdict=from:denied", "has no side"),
        ("label=app in", "list such as (a,b)"),
    ] {
        match text.parse::<Term>() {
            Ok(term) => assert_eq!((term.to_string().as_str(), said), (text, "")),
            Err(error) => assert!(error.to_string().contains(said), "{text}: {error}"),
        }
    }
}

/// The text of a value that is printed otherwise than it may be written.
#[test]
fn terms_are_printed_in_one_form() {
    for (written, printed) in [
        ("pod=web", "pod=default/web"),
        ("pod=prod/", "pod=prod/*"),
        ("workload=not:from:api", "workload=not:from:*/api"),
        ("ip=10.1.2.3/8", "ip=10.0.0.0/8"),
        ("ip=10.1.2.3/32", "ip=10.1.2.3"),
        ("ip=::ffff:10.0.0.1", "ip=10.0.0.1"),
        ("port=80-80", "port=80"),
        ("protocol=6", "protocol=TCP"),
        ("verdict=Deny", "verdict=denied"),
        ("label=b == c , a in (y,x)", "label=a in (x,y),b=c"),
    ] {
        assert_eq!(written.parse::<Term>().unwrap().to_string(), printed);
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9*?]([a-z0-9.*?-]{0,8}[a-z0-9*?])?"
}

fn value(what: What) -> BoxedStrategy<String> {
    let both = || (name(), name()).prop_map(|(within, name)| format!("{within}/{name}"));
    let one_of = |names: Vec<&'static str>| prop::sample::select(names).prop_map(str::to_owned);
    match what {
        What::Namespace | What::Node => name().boxed(),
        What::Pod | What::Service | What::Policy | What::Workload => {
            prop_oneof![both(), name()].boxed()
        }
        What::Label => prop::collection::vec(requirement(), 1..4)
            .prop_map(|all| all.join(","))
            .boxed(),
        What::Ip => (any::<std::net::IpAddr>(), 0_u8..=32)
            .prop_map(|(address, length)| format!("{address}/{length}"))
            .boxed(),
        What::Port => (any::<u16>(), any::<u16>())
            .prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other)))
            .boxed(),
        What::Identity => any::<u32>().prop_map(|number| number.to_string()).boxed(),
        What::Protocol => any::<u8>().prop_map(|number| number.to_string()).boxed(),
        What::Verdict => one_of(vec!["allowed", "denied", "audit", "dropped"]).boxed(),
        What::Kind => one_of(vec!["opened", "denied", "audited", "closed"]).boxed(),
        What::Reason => one_of(Reason::ALL.iter().map(|one| one.name()).collect()).boxed(),
        What::Direction => one_of(vec!["ingress", "egress"]).boxed(),
    }
}

fn requirement() -> impl Strategy<Value = String> {
    let (key, word) = ("[a-z]{1,3}(/[a-z]{1,3})?", "[a-z]{0,3}");
    let words = prop::collection::vec(word, 1..4).prop_map(|words| words.join(" , "));
    prop_oneof![
        key.prop_map(|key| key),
        key.prop_map(|key| format!("! {key}")),
        (key, word).prop_map(|(key, word)| format!("{key} = {word}")),
        (key, word).prop_map(|(key, word)| format!("{key}!={word}")),
        (key, words.clone()).prop_map(|(key, words)| format!("{key} in ({words})")),
        (key, words).prop_map(|(key, words)| format!("{key} notin({words})")),
    ]
}

fn term() -> impl Strategy<Value = String> {
    let what = prop::sample::select(What::ALL.to_vec());
    let value = what.prop_flat_map(|what| (Just(what), value(what)));
    let side = prop::sample::select(vec!["", "from:", "to:"]);
    (value, side, any::<bool>()).prop_map(|((what, value), side, negated)| {
        let side = if what.has_sides() { side } else { "" };
        format!("{what}={}{side}{value}", if negated { "not:" } else { "" })
    })
}

proptest! {
    #[test]
    fn a_term_is_read_as_it_is_printed(text in term()) {
        let term: Term = text.parse().unwrap();
        let printed = term.to_string();
        prop_assert_eq!(printed.parse::<Term>(), Ok(term), "{}", printed);
    }

    #[test]
    fn any_text_is_a_term_or_an_error(text in "(pod|label|ip|port|node)=.{0,20}") {
        if let Ok(term) = text.parse::<Term>() {
            prop_assert_eq!(term.to_string().parse::<Term>(), Ok(term));
        }
    }

    #[test]
    fn a_filter_is_read_as_it_is_written(terms in prop::collection::vec(term(), 0..6)) {
        let filter: Filter = terms.iter().map(|text| text.parse::<Term>().unwrap()).collect();
        let text = serde_json::to_string(&filter).unwrap();
        prop_assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
    }

    #[test]
    fn the_order_of_terms_does_not_matter(mut terms in prop::collection::vec(term(), 0..6)) {
        let read = |terms: &[String]| -> Filter {
            terms.iter().map(|text| text.parse::<Term>().unwrap()).collect()
        };
        let one = read(&terms);
        terms.reverse();
        prop_assert_eq!(read(&terms), one);
    }

    /// The rule of `Filter`, spelled out.
    #[test]
    fn groups_are_alternatives_all_of_which_must_hold(
        terms in prop::collection::vec(term(), 0..5), which in 0_usize..4,
    ) {
        let record = &all()[which];
        let terms: Vec<Term> = terms.iter().map(|text| text.parse().unwrap()).collect();
        let alone = |term: &Term| term.holds(record);
        let expected = terms.iter().all(|term| {
            let mut group = terms.iter().filter(|other| other.group() == term.group());
            if term.is_negated() { !alone(term) } else { group.any(alone) }
        });
        let filter: Filter = terms.iter().cloned().collect();
        prop_assert_eq!(filter.matches(record), expected);
    }
}

#[test]
fn a_filter_says_which_nodes_need_not_be_asked() {
    let asks = |terms: &[&str], name: &str| {
        let terms = terms.iter().map(|text| text.parse::<Term>().unwrap());
        terms.collect::<Filter>().asks_node(name)
    };
    assert!(asks(&[], "a"));
    assert!(asks(&["port=80", "node=from:b"], "a"));
    assert!(asks(&["node=a", "node=b"], "b"));
    assert!(!asks(&["node=a", "node=b"], "c"));
    assert!(asks(&["node=work*", "node=not:worker-2"], "worker-1"));
    assert!(!asks(&["node=work*", "node=not:worker-2"], "worker-2"));
}
