use super::super::observed::Unenforced;
use super::*;

const POLICY: &str = "db";

fn pod(name: &str) -> PodKey {
    PodKey {
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// A policy that selects pods named by numbers, of which some are unenforced, wholly or in part.
fn observed(pods: u32, bad: &[(u32, bool)]) -> Observed {
    let name = PolicyName {
        namespace: "shop".to_owned(),
        name: POLICY.to_owned(),
    };
    let named = |number: u32| pod(&format!("web-{number:03}"));
    let unenforced = |wholly| Unenforced {
        why: "no link".to_owned(),
        wholly,
    };
    let policy = Observation {
        version: Some(ObjectVersion {
            uid: "u1".into(),
            generation: 3,
        }),
        pods: (0..pods).map(named).collect(),
        not_enforced: bad
            .iter()
            .map(|(number, wholly)| (named(*number), unenforced(*wholly)))
            .collect(),
    };
    Observed {
        synced: true,
        audit: false,
        policies: [(name, policy)].into(),
        refused: BTreeMap::new(),
    }
}

/// What the object is to say when everything has settled.
fn said(observed: &Observed) -> Option<Content> {
    let start = Instant::now();
    let mut settling = Settling::default();
    settling.observe(observed, start);
    let wanted = wanted(observed, &settling, start + SETTLE, "1.0");
    match wanted.into_values().next() {
        Some(Wish::Say(content)) => Some(content),
        Some(Wish::Keep) | None => None,
    }
}

fn state(observed: &Observed) -> State {
    said(observed).unwrap().state
}

#[test]
fn the_state_is_about_all_pods_or_some_or_none() {
    assert_eq!(state(&observed(2, &[])), State::Enforced);
    assert_eq!(state(&observed(2, &[(0, true)])), State::Partly);
    assert_eq!(
        state(&observed(2, &[(0, true), (1, true)])),
        State::NotEnforced
    );
}

#[test]
fn a_pod_that_is_open_at_one_of_its_links_only_is_partly_enforced() {
    assert_eq!(state(&observed(1, &[(0, false)])), State::Partly);
    assert_eq!(state(&observed(2, &[(0, true), (1, false)])), State::Partly);
}

#[test]
fn in_audit_mode_nothing_is_enforced_whatever_else_is_true() {
    for bad in [&[][..], &[(0, true)]] {
        let mut observed = observed(1, bad);
        observed.audit = true;
        assert_eq!(state(&observed), State::Audit);
    }
}

#[test]
fn twenty_pods_are_named_and_all_are_counted() {
    let bad: Vec<_> = (0..30).map(|number| (number, true)).collect();
    let content = said(&observed(40, &bad)).unwrap();
    assert_eq!((content.pods, content.not_enforced_count), (40, 30));
    let named: Vec<&str> = content
        .not_enforced
        .iter()
        .map(|pod| pod.pod.as_str())
        .collect();
    assert_eq!(named.len(), 20);
    assert_eq!((named[0], named[19]), ("web-000", "web-019"));
}

#[test]
fn a_pod_that_has_just_lost_its_link_counts_neither_way() {
    let start = Instant::now();
    let observed = observed(3, &[(0, true)]);
    let mut settling = Settling::default();
    settling.observe(&observed, start);
    let at = |seconds| {
        let now = start + Duration::from_secs(seconds);
        let wanted = wanted(&observed, &settling, now, "1.0");
        let Some(Wish::Say(content)) = wanted.into_values().next() else {
            panic!("two pods are well");
        };
        (content.state, content.pods, content.not_enforced_count)
    };
    assert_eq!(at(9), (State::Enforced, 2, 0));
    assert_eq!(at(10), (State::Partly, 3, 1));
    assert_eq!(settling.due(start), Some(start + SETTLE));
}

#[test]
fn an_object_stays_as_it_is_while_nothing_about_it_is_settled() {
    let start = Instant::now();
    let observed = observed(1, &[(0, true)]);
    let mut settling = Settling::default();
    settling.observe(&observed, start);
    let wanted = wanted(&observed, &settling, start, "1.0");
    assert_eq!(wanted.into_values().collect::<Vec<_>>(), [Wish::Keep]);
}

#[test]
fn a_pod_that_recovers_begins_anew() {
    let start = Instant::now();
    let (bad, good) = (observed(1, &[(0, true)]), observed(1, &[]));
    let mut settling = Settling::default();
    for (seconds, observed) in [(0, &bad), (5, &good), (6, &bad)] {
        settling.observe(observed, start + Duration::from_secs(seconds));
    }
    assert!(!settling.settled(&pod("web-000"), start + Duration::from_secs(15)));
    assert!(settling.settled(&pod("web-000"), start + Duration::from_secs(16)));
}

#[test]
fn nothing_is_said_about_a_policy_that_is_no_object_of_the_cluster() {
    let mut observed = observed(1, &[]);
    for policy in observed.policies.values_mut() {
        policy.version = None;
    }
    assert_eq!(said(&observed), None);
}

#[test]
fn reasons_keep_to_the_limit_of_the_schema() {
    let mut observed = observed(1, &[(0, true)]);
    for policy in observed.policies.values_mut() {
        for why in policy.not_enforced.values_mut() {
            why.why = "ä".repeat(2000);
        }
    }
    assert!(said(&observed).unwrap().not_enforced[0].reason.len() <= LONGEST_REASON);
}
