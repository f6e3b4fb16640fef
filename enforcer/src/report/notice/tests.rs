use enforcer_policy::rule::ObjectVersion;

use super::super::object::{State, UnenforcedPod};
use super::*;

fn name() -> PolicyName {
    PolicyName {
        namespace: "shop".to_owned(),
        name: "db".to_owned(),
    }
}

fn pod() -> Regarding {
    Regarding::Pod(PodKey {
        namespace: "shop".into(),
        name: "web-0".into(),
    })
}

fn policy() -> Regarding {
    Regarding::Policy(name(), "u1".into())
}

fn content(reasons: &[&str]) -> Content {
    let count = u32::try_from(reasons.len()).unwrap();
    let reasons = reasons.iter().enumerate();
    Content {
        version: ObjectVersion {
            uid: "u1".into(),
            generation: 1,
        },
        state: State::Partly,
        pods: 9,
        not_enforced: reasons
            .map(|(number, reason)| UnenforcedPod {
                pod: format!("web-{number}"),
                reason: (*reason).to_owned(),
            })
            .collect(),
        not_enforced_count: count,
        daemon: "1.0".to_owned(),
    }
}

fn about(reasons: &[&str]) -> BTreeMap<Regarding, Complaint> {
    complaints("n1", [(&name(), &content(reasons))])
}

struct World {
    notices: Notices,
    bucket: Bucket,
    start: Instant,
}

impl World {
    fn new(burst: u32) -> Self {
        let start = Instant::now();
        Self {
            notices: Notices::default(),
            bucket: Bucket::new(1, burst, start),
            start,
        }
    }

    /// What is told at a minute, as (about what, reason), and when to ask again.
    fn tell(
        &mut self,
        minute: u64,
        reasons: &[&str],
        fine: bool,
    ) -> (Vec<(Regarding, &'static str)>, Option<u64>) {
        let now = self.start + Duration::from_secs(minute * 60);
        let (notices, due) = self
            .notices
            .due(&about(reasons), |_| fine, &mut self.bucket, now);
        for notice in &notices {
            self.notices.told(notice, now);
        }
        let told = notices.into_iter().map(|notice| {
            let reason = notice.reason();
            (notice.regarding, reason)
        });
        let due = due.map(|due| due.duration_since(self.start).as_secs() / 60);
        (told.collect(), due)
    }
}

#[test]
fn the_policy_and_each_pod_are_told_of_once() {
    let mut world = World::new(10);
    let (told, _) = world.tell(0, &["no link"], false);
    assert_eq!(told, [(policy(), "NotEnforced"), (pod(), "NotEnforced")]);
    for minute in [1, 11, 1000] {
        assert_eq!(world.tell(minute, &["no link"], false), (vec![], None));
    }
}

#[test]
fn what_is_mended_is_told_too() {
    let mut world = World::new(10);
    world.tell(0, &["no link"], false);
    let (told, _) = world.tell(1, &[], true);
    assert_eq!(told, [(policy(), "Enforced"), (pod(), "Enforced")]);
    assert_eq!(world.tell(2, &[], true), (vec![], None));
}

#[test]
fn what_merely_went_is_not_praised() {
    let mut world = World::new(10);
    world.tell(0, &["no link"], false);
    assert_eq!(world.tell(1, &[], false), (vec![], None));
}

#[test]
fn a_flapping_pod_gets_one_event_of_a_reason_in_ten_minutes_and_the_last_is_true() {
    let mut world = World::new(10);
    let mut told = Vec::new();
    let mut due = None;
    for minute in 0..9 {
        let bad = minute % 2 == 0;
        let reasons: &[&str] = if bad { &["no link"] } else { &[] };
        let (now, next) = world.tell(minute, reasons, !bad);
        told.extend(now);
        due = next;
    }
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(due, Some(10));
    let (last, _) = world.tell(10, &["no link"], false);
    assert_eq!(last, [(policy(), "NotEnforced"), (pod(), "NotEnforced")]);
}

#[test]
fn another_reason_is_news_but_waits_its_time() {
    let mut world = World::new(10);
    world.tell(0, &["no link"], false);
    assert_eq!(
        world.tell(3, &["two pods claim it"], false),
        (vec![], Some(10))
    );
    assert_eq!(world.tell(10, &["two pods claim it"], false).0.len(), 2);
}

#[test]
fn all_events_together_keep_to_the_rate_and_none_is_lost() {
    let mut world = World::new(2);
    let reasons = ["no link"; 7];
    let told: Vec<usize> = (0..4)
        .map(|minute| world.tell(minute, &reasons, false).0.len())
        .collect();
    assert_eq!(told, [2, 2, 2, 2]);
}

#[test]
fn a_daemon_that_starts_does_not_repeat_what_the_last_one_said() {
    let mut world = World::new(10);
    world.notices.adopt(about(&["no link"]));
    assert_eq!(world.tell(0, &["no link"], false), (vec![], None));
    assert_eq!(world.tell(1, &[], true).0.len(), 2);
}

#[test]
fn nothing_is_remembered_of_what_is_long_over() {
    let mut world = World::new(10);
    world.tell(0, &["no link"], false);
    world.tell(1, &[], true);
    world.tell(12, &[], true);
    assert!(world.notices.told.is_empty());
}

#[test]
fn notes_name_pods_and_reasons_within_the_limit() {
    let complaints = about(&["no link", "two pods claim it"]);
    let note = &complaints[&policy()].note;
    let expected =
        "not enforced on node n1 for 2 of 9 pods: web-0: no link; web-1: two pods claim it";
    assert_eq!(note, expected);
    assert!(complaints[&pod()].note.contains("no link"));
    let long = "x".repeat(1000);
    for complaint in about(&[&long, &long]).values() {
        assert!(complaint.note.len() <= LONGEST_NOTE);
    }
}

#[test]
fn a_policy_that_is_refused_is_told_of_by_its_name() {
    let refused = [(name(), "spec.ingress[0] is wrong".to_owned())].into();
    let refusals: BTreeMap<_, _> = refusals(&refused).collect();
    let contents = Regarding::Contents(name());
    assert!(
        refusals[&contents]
            .note
            .contains("spec.ingress[0] is wrong")
    );
    let mut world = World::new(10);
    let mut tell = |complaints: &BTreeMap<_, _>| {
        let (notices, _) = world
            .notices
            .due(complaints, |_| true, &mut world.bucket, world.start);
        for notice in &notices {
            world.notices.told(notice, world.start);
        }
        let told = notices.iter().map(Notice::reason);
        told.collect::<Vec<_>>()
    };
    assert_eq!(tell(&refusals), ["Refused"]);
    assert_eq!(tell(&refusals), [""; 0]);
    assert_eq!(tell(&BTreeMap::new()), ["Accepted"]);
}
