use enforcer_policy::rule::ObjectVersion;

use super::super::object::UnenforcedPod;
use super::*;

fn name(name: &str) -> PolicyName {
    PolicyName {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn content(state: State) -> Content {
    let bad = state != State::Enforced;
    let named = bad.then(|| UnenforcedPod {
        pod: "web-0".to_owned(),
        reason: "no link".to_owned(),
    });
    Content {
        version: ObjectVersion {
            uid: "u1".into(),
            generation: 1,
        },
        state,
        pods: 2,
        not_enforced: named.into_iter().collect(),
        not_enforced_count: bad.into(),
        daemon: "1.0".to_owned(),
    }
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A plan, and the moments at which it is asked.
struct World {
    plan: Plan,
    start: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            plan: Plan::default(),
            start: Instant::now(),
        }
    }

    fn moment(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn steps(&self, seconds: u64, wanted: &[(&str, Wish)]) -> Steps {
        let wanted: Wanted = wanted
            .iter()
            .map(|(policy, wish)| (name(policy), wish.clone()))
            .collect();
        let now = time(i64::try_from(seconds).unwrap());
        self.plan.steps(&wanted, self.moment(seconds), now)
    }

    /// Does everything that is to be done now.
    fn reach(&mut self, seconds: u64, wanted: &[(&str, Wish)]) -> Vec<Action> {
        let actions = self.steps(seconds, wanted).now;
        for action in &actions {
            self.plan.done(action, self.moment(seconds));
        }
        actions
    }
}

fn say(state: State) -> Wish {
    Wish::Say(content(state))
}

fn since(actions: &[Action]) -> Timestamp {
    let [Action::Write(_, _, since)] = actions else {
        panic!("one write, not {actions:?}");
    };
    *since
}

#[test]
fn what_is_written_is_not_written_again() {
    let mut world = World::new();
    let wanted = [("db", say(State::Enforced))];
    assert_eq!(since(&world.reach(0, &wanted)), time(0));
    assert_eq!(world.steps(1000, &wanted), Steps::default());
}

#[test]
fn since_is_when_the_state_began_and_not_when_it_was_written() {
    let mut world = World::new();
    world.reach(0, &[("db", say(State::Partly))]);
    let mut other = content(State::Partly);
    other.not_enforced[0].reason = "another".to_owned();
    let actions = world.reach(5, &[("db", Wish::Say(other))]);
    assert_eq!(since(&actions), time(0));
    let actions = world.reach(9, &[("db", say(State::Enforced))]);
    assert_eq!(since(&actions), time(9));
}

#[test]
fn a_state_or_a_reason_is_told_at_once_and_a_number_once_a_minute() {
    let mut world = World::new();
    world.reach(0, &[("db", say(State::Enforced))]);
    let mut more = content(State::Enforced);
    more.pods = 3;
    let more = [("db", Wish::Say(more))];
    let steps = world.steps(30, &more);
    assert_eq!(steps.now, []);
    assert_eq!(steps.due, Some(world.moment(60)));
    assert_eq!(since(&world.reach(60, &more)), time(0));
    assert_eq!(world.steps(61, &[("db", say(State::Partly))]).now.len(), 1);
}

#[test]
fn a_new_version_of_the_daemon_is_no_hurry() {
    let mut world = World::new();
    world.reach(0, &[("db", say(State::Enforced))]);
    let mut newer = content(State::Enforced);
    newer.daemon = "2.0".to_owned();
    let steps = world.steps(1, &[("db", Wish::Say(newer))]);
    assert_eq!((steps.now.len(), steps.due), (0, Some(world.moment(60))));
}

#[test]
fn an_object_goes_when_its_policy_selects_nothing_here_any_more() {
    let mut world = World::new();
    world.reach(0, &[("db", say(State::Enforced))]);
    assert_eq!(world.steps(1, &[("db", Wish::Keep)]), Steps::default());
    assert_eq!(world.reach(1, &[]), [Action::Delete(name("db"))]);
    assert_eq!(world.steps(2, &[]), Steps::default());
}

#[test]
fn a_policy_made_anew_needs_a_new_object_with_a_new_since() {
    let mut world = World::new();
    world.reach(0, &[("db", say(State::Enforced))]);
    let mut again = content(State::Enforced);
    again.version.uid = "u2".into();
    assert!(world.plan.is_in_the_way(&name("db"), &again));
    assert_eq!(
        since(&world.reach(7, &[("db", Wish::Say(again.clone()))])),
        time(7)
    );
    assert!(!world.plan.is_in_the_way(&name("db"), &again));
}

#[test]
fn bad_news_come_first_and_deletions_last() {
    let mut world = World::new();
    world.reach(0, &[("gone", say(State::Enforced))]);
    let wanted = [
        ("a", say(State::Enforced)),
        ("b", say(State::Partly)),
        ("c", say(State::NotEnforced)),
    ];
    let order = world
        .steps(1, &wanted)
        .now
        .into_iter()
        .map(|action| match action {
            Action::Write(name, ..) | Action::Delete(name) => name.name,
        });
    assert_eq!(order.collect::<Vec<_>>(), ["c", "b", "a", "gone"]);
}

#[test]
fn an_object_that_was_refused_is_left_alone_for_a_minute_and_others_are_not() {
    let mut world = World::new();
    let wanted = [("a", say(State::Enforced)), ("b", say(State::Enforced))];
    let steps = world.steps(0, &wanted);
    world.plan.refused(&steps.now[0], world.moment(0));
    world.plan.done(&steps.now[1], world.moment(0));
    let steps = world.steps(59, &wanted);
    assert_eq!((steps.now, steps.due), (vec![], Some(world.moment(60))));
    assert_eq!(world.steps(60, &wanted).now.len(), 1);
}

#[test]
fn a_daemon_that_starts_goes_on_where_the_last_one_was() {
    let mut world = World::new();
    let written = object(&name("db"), "n1", &content(State::Partly), time(0));
    assert_eq!(world.plan.adopt(&written, "n1", world.start), Some(()));
    assert_eq!(
        world.steps(100, &[("db", say(State::Partly))]),
        Steps::default()
    );
    let mut other = content(State::Partly);
    other.version.generation = 2;
    let actions = world.reach(100, &[("db", Wish::Say(other))]);
    assert_eq!(since(&actions), time(0));
}

#[test]
fn an_object_that_this_daemon_would_not_write_is_not_its_own() {
    let mut plan = Plan::default();
    let now = Instant::now();
    let good = object(&name("db"), "n1", &content(State::Enforced), time(0));
    let mut renamed = good.clone();
    renamed.metadata.name = Some("other".to_owned());
    let mut ownerless = good.clone();
    ownerless.metadata.owner_references = None;
    let mut timeless = good.clone();
    timeless.status.since = "yesterday".to_owned();
    for strange in [renamed, ownerless, timeless] {
        assert_eq!(plan.adopt(&strange, "n1", now), None);
    }
    assert_eq!(plan.adopt(&good, "n2", now), None, "another node's");
    assert_eq!(plan.said().count(), 0);
}

#[test]
fn an_object_says_what_the_schema_wants_and_is_read_back_as_it_was() {
    let object = object(&name("db"), "n1", &content(State::Partly), time(0));
    let json = serde_json::to_value(&object).unwrap();
    let expected = serde_json::json!({
        "apiVersion": "enforcer.dev/v1alpha1",
        "kind": "PolicyEnforcement",
        "metadata": {
            "name": "db.n1",
            "namespace": "shop",
            "labels": {"enforcer.dev/policy": "db", "enforcer.dev/node": "n1"},
            "ownerReferences": [{
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "name": "db", "uid": "u1",
            }],
        },
        "spec": {"policy": {"name": "db", "uid": "u1"}, "node": "n1"},
        "status": {
            "state": "Partly",
            "since": "2023-11-14T22:13:20Z",
            "pods": 2,
            "notEnforced": [{"pod": "web-0", "reason": "no link"}],
            "notEnforcedCount": 1,
            "observedGeneration": 1,
            "daemonVersion": "1.0",
        },
    });
    assert_eq!(json, expected);
    assert_eq!(
        serde_json::from_value::<PolicyEnforcement>(json).unwrap(),
        object
    );
}
