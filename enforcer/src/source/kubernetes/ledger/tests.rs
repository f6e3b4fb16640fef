use std::net::IpAddr;

use enforcer_policy::model::{Namespace, Node, Pod, PodKey};

use super::*;

const NODE: &str = "n1";

/// A daemon: what is in force, and the ledger before it.
struct World {
    cluster: Cluster,
    ledger: Ledger,
    /// How many times something was put into force.
    batches: usize,
}

impl World {
    fn new() -> Self {
        Self {
            cluster: Cluster::default(),
            ledger: Ledger::new(NODE.to_owned()),
            batches: 0,
        }
    }

    /// With all kinds listed, and nothing in the lists.
    fn synced() -> Self {
        let mut world = Self::new();
        for kind in Kind::ALL {
            world.list(kind, Vec::new());
        }
        world.settle();
        assert!(world.ledger.is_synced());
        world
    }

    fn tell(&mut self, kind: Kind, news: News) {
        let at = Instant::now();
        self.ledger
            .take_in(Message { at, kind, news }, &self.cluster);
    }

    fn list(&mut self, kind: Kind, news: Vec<News>) {
        self.tell(kind, News::ListBegins);
        for one in news {
            self.tell(kind, one);
        }
        self.tell(kind, News::ListEnds);
        self.tell(kind, News::Following);
    }

    /// Puts into force what is to be, and says what.
    fn settle(&mut self) -> Vec<Change> {
        let (changes, oldest) = self.ledger.take_out();
        assert!(oldest.is_none() || !changes.is_empty());
        self.batches += usize::from(!changes.is_empty());
        for change in &changes {
            self.cluster.apply(change.clone());
        }
        changes
    }
}

fn key(name: &str) -> PodKey {
    PodKey {
        namespace: "default".into(),
        name: name.into(),
    }
}

fn pod_at(name: &str, last: u8, uid: &str, node: &str) -> News {
    let pod = Pod {
        addresses: vec![IpAddr::from([10, 0, 0, last])],
        node: Some(node.into()),
        ..Pod::default()
    };
    News::Put {
        change: Change::Pod(key(name), Some(pod)),
        uid: uid.to_owned(),
    }
}

fn pod(name: &str, last: u8) -> News {
    pod_at(name, last, name, NODE)
}

fn object(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: kind.is_namespaced().then(|| "default".into()),
        name: name.into(),
    }
}

fn refused(name: &str) -> News {
    let object = object(Kind::Pod, name);
    let problem = Problem::of_object(&object, "wrong-type", "no pod".to_owned());
    News::Refused(object, vec![problem])
}

fn names(world: &World) -> Vec<&str> {
    let keys = world.cluster.pods.keys();
    keys.map(|key| key.name.as_str()).collect()
}

#[test]
fn nothing_is_in_force_until_every_kind_has_been_listed_whole() {
    for last in Kind::ALL {
        let mut world = World::new();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != last) {
            let news = if kind == Kind::Pod {
                vec![pod("a", 1)]
            } else {
                Vec::new()
            };
            world.list(kind, news);
            assert_eq!(world.settle(), []);
        }
        // Changes of kinds that have been listed wait, too.
        world.tell(
            Kind::Namespace,
            News::Put {
                change: Change::Namespace("x".into(), Some(Namespace::implied("x"))),
                uid: "x".into(),
            },
        );
        world.tell(last, News::ListBegins);
        assert_eq!(world.settle(), []);
        assert!(!world.ledger.is_synced());
        let unlisted = world.ledger.behind();
        assert_eq!(
            unlisted.iter().map(|one| one.kind).collect::<Vec<_>>(),
            [last]
        );
        world.tell(last, News::ListEnds);
        // Of a kind that has not been listed, its list alone counts.
        let expected = if matches!(last, Kind::Pod | Kind::Namespace) {
            1
        } else {
            2
        };
        assert_eq!(world.settle().len(), expected, "{last:?}");
        assert!(world.ledger.is_synced() && world.ledger.behind().is_empty());
    }
}

#[test]
fn a_list_that_breaks_off_changes_nothing() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1), pod("b", 2)]);
    world.settle();
    // "b" is at another address, "c" is new, "a" did not come any more.
    world.tell(Kind::Pod, News::ListBegins);
    world.tell(Kind::Pod, pod("b", 3));
    world.tell(Kind::Pod, pod("c", 4));
    assert_eq!(world.settle(), []);
    world.tell(Kind::Pod, News::Failed("cut".into()));
    assert_eq!(world.settle(), []);
    assert_eq!(names(&world), ["a", "b"]);
    // The next one has all, and says that "c" was never more than a word.
    world.list(Kind::Pod, vec![pod("a", 1), pod("b", 3)]);
    assert_eq!(world.settle().len(), 1);
    assert_eq!(names(&world), ["a", "b"]);
}

#[test]
fn what_is_not_in_a_whole_list_is_gone_and_what_is_as_it_was_is_no_change() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1), pod("b", 2)]);
    world.settle();
    world.list(Kind::Pod, vec![pod("b", 2)]);
    assert_eq!(world.settle(), [Change::Pod(key("a"), None)]);
    world.list(Kind::Pod, vec![pod("b", 2)]);
    assert_eq!(world.settle(), []);
    assert_eq!(names(&world), ["b"]);
}

#[test]
fn a_list_of_one_kind_says_nothing_about_another() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1)]);
    let node = Change::Node(NODE.into(), Some(Node::default()));
    world.list(
        Kind::Node,
        vec![News::Put {
            change: node,
            uid: "u".into(),
        }],
    );
    world.settle();
    world.list(Kind::Node, Vec::new());
    assert_eq!(world.settle(), [Change::Node(NODE.into(), None)]);
    assert_eq!(names(&world), ["a"]);
}

#[test]
fn of_several_changes_of_an_object_the_last_counts_even_when_it_leads_back() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1)]);
    world.settle();
    world.tell(Kind::Pod, pod("a", 2));
    world.tell(Kind::Pod, pod("a", 1));
    for change in world.settle() {
        assert_eq!(ObjectKey::of(&change), object(Kind::Pod, "a"));
    }
    assert_eq!(
        world.cluster.pods[&key("a")].addresses,
        [IpAddr::from([10, 0, 0, 1])]
    );
    let batches = world.batches;
    world.tell(Kind::Pod, pod("a", 1));
    world.settle();
    assert_eq!(
        world.batches, batches,
        "what is in force already is no change"
    );
}

#[test]
fn a_pod_that_goes_and_comes_again_within_a_batch_is_another() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod_at("a", 1, "first", NODE)]);
    world.settle();
    world.tell(Kind::Pod, News::Gone(object(Kind::Pod, "a")));
    world.tell(Kind::Pod, pod_at("a", 1, "second", NODE));
    let changes = world.settle();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0], Change::Pod(key("a"), None));
}

#[test]
fn a_pod_of_this_node_whose_end_was_missed_is_another_by_its_uid() {
    for (node, expected) in [(NODE, 2), ("elsewhere", 0)] {
        let mut world = World::synced();
        world.list(Kind::Pod, vec![pod_at("a", 1, "first", node)]);
        world.settle();
        // A list that breaks off teaches nothing.
        world.tell(Kind::Pod, News::ListBegins);
        world.tell(Kind::Pod, pod_at("a", 1, "second", node));
        world.tell(Kind::Pod, News::Failed("cut".into()));
        assert_eq!(world.settle(), []);
        world.list(Kind::Pod, vec![pod_at("a", 1, "second", node)]);
        let changes = world.settle();
        assert_eq!(changes.len(), expected, "on {node}");
        if let Some(first) = changes.first() {
            assert_eq!(*first, Change::Pod(key("a"), None));
        }
        world.list(Kind::Pod, vec![pod_at("a", 1, "second", node)]);
        assert_eq!(world.settle(), []);
    }
}

#[test]
fn an_object_that_cannot_be_taken_stays_as_it_was_and_is_told_until_it_is_mended_or_gone() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1), pod("b", 2)]);
    world.settle();
    let problems = |world: &World| world.ledger.problems().count();
    world.tell(Kind::Pod, refused("a"));
    assert_eq!((world.settle(), problems(&world)), (vec![], 1));
    // A list with it in it does not remove it.
    world.list(Kind::Pod, vec![refused("a"), pod("b", 2)]);
    assert_eq!((world.settle(), problems(&world)), (vec![], 1));
    assert_eq!(names(&world), ["a", "b"]);
    world.tell(Kind::Pod, pod("a", 3));
    assert_eq!((world.settle().len(), problems(&world)), (1, 0));
    // Deleted while wrong: by an event, and by a list.
    world.tell(Kind::Pod, refused("a"));
    world.tell(Kind::Pod, News::Gone(object(Kind::Pod, "a")));
    assert_eq!((world.settle().len(), problems(&world)), (1, 0));
    world.tell(Kind::Pod, refused("b"));
    world.list(Kind::Pod, Vec::new());
    assert_eq!((world.settle().len(), problems(&world)), (1, 0));
    assert!(names(&world).is_empty());
}

#[test]
fn a_watch_that_fails_is_told_since_its_first_failure_and_changes_nothing() {
    let mut world = World::synced();
    world.list(Kind::Pod, vec![pod("a", 1)]);
    world.settle();
    world.tell(Kind::Pod, News::Failed("refused".into()));
    let since = world.ledger.behind()[0].failure.clone().unwrap().0;
    world.tell(Kind::Pod, News::Failed("cut".into()));
    assert_eq!(world.settle(), []);
    let behind = world.ledger.behind();
    assert_eq!(behind.len(), 1);
    assert_eq!(behind[0].failure, Some((since, "cut".into())));
    let words = behind[0].to_string();
    assert!(words.contains("pods") && words.contains("cut"), "{words}");
    world.tell(Kind::Pod, News::Following);
    assert!(world.ledger.behind().is_empty());
    assert_eq!(names(&world), ["a"]);
}

#[test]
fn the_oldest_change_of_a_batch_dates_it() {
    let mut world = World::synced();
    let early = Instant::now();
    let late = early + std::time::Duration::from_secs(1);
    for (at, name) in [(late, "a"), (early, "b")] {
        let news = pod(name, 1);
        let kind = Kind::Pod;
        world
            .ledger
            .take_in(Message { at, kind, news }, &world.cluster);
    }
    assert_eq!(world.ledger.take_out().1, Some(early));
    assert_eq!(world.ledger.take_out().1, None);
}
