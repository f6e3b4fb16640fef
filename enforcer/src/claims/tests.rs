use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use tempfile::TempDir;

use super::*;
use crate::datapath::discover::{LinkKind, Namespace, Unenforceable, Why};

const OLD: &str = "11111111-1111-1111-1111-111111111111";
const NEW: &str = "22222222-2222-2222-2222-222222222222";

/// A claim for `default/db` in the namespace of the test itself, which is there as long as it.
fn hold(container: &str, uid: Option<&str>, address: &str) -> Hold {
    let netns = "/proc/thread-self/ns/net";
    let file = File::open(netns).unwrap().metadata().unwrap();
    Hold {
        attachment: Attachment {
            container: container.to_owned(),
            ifname: PRIMARY.to_owned(),
        },
        network: "pods".to_owned(),
        namespace: "default".to_owned(),
        pod: "db".to_owned(),
        uid: uid.map(str::to_owned),
        netns: netns.into(),
        device: file.dev(),
        inode: file.ino(),
        addresses: vec![address.parse().unwrap()],
        wait: 1000,
    }
}

fn key() -> PodKey {
    PodKey {
        namespace: "default".into(),
        name: "db".into(),
    }
}

fn pod(uid: Option<&str>, addresses: &[&str]) -> Pod {
    Pod {
        uid: uid.map(|uid| uid.parse().unwrap()),
        addresses: addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect(),
        ..Pod::default()
    }
}

struct Fixture {
    directory: TempDir,
    claims: Claims,
}

fn load(directory: &TempDir) -> Claims {
    Claims::load(&directory.path().join("claims"), directory.path())
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let claims = load(&directory);
        Self { directory, claims }
    }

    fn restart(&mut self) {
        self.claims = load(&self.directory);
    }

    /// The addresses that the pod has to the compiler when the source has this.
    fn seen(&mut self, pod: &Pod) -> Vec<String> {
        let mut amended = pod.clone();
        self.claims.amend(&key(), &mut amended);
        assert_eq!(self.claims.original(&key(), &amended), *pod);
        amended.addresses.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_claim_stands_for_a_status_that_is_not_there_yet() {
    let mut fixture = Fixture::new();
    fixture
        .claims
        .put(hold("a", None, "10.0.0.7"), None)
        .unwrap();
    assert_eq!(fixture.seen(&pod(None, &[])), ["10.0.0.7"]);
    assert_eq!(
        fixture.seen(&pod(None, &["10.0.0.7", "fd00::7"])),
        ["10.0.0.7", "fd00::7"]
    );
    assert_eq!(fixture.seen(&pod(None, &["10.0.0.9"])), ["10.0.0.9"]);
}

#[test]
fn a_claim_is_given_to_no_other_pod_of_the_same_name() {
    let mut fixture = Fixture::new();
    fixture
        .claims
        .put(hold("a", Some(OLD), "10.0.0.7"), None)
        .unwrap();
    assert!(fixture.seen(&pod(Some(NEW), &[])).is_empty());
    assert_eq!(fixture.seen(&pod(Some(OLD), &[])), ["10.0.0.7"]);
}

#[test]
fn the_address_of_an_earlier_container_gives_way_until_the_status_says_something_new() {
    let mut fixture = Fixture::new();
    let before = pod(Some(OLD), &["10.0.0.7"]);
    fixture
        .claims
        .put(hold("b", Some(OLD), "10.0.0.8"), Some(&before))
        .unwrap();
    assert_eq!(fixture.seen(&before), ["10.0.0.8"]);
    assert_eq!(fixture.seen(&pod(Some(OLD), &["10.0.0.8"])), ["10.0.0.8"]);
    assert_eq!(fixture.seen(&pod(Some(OLD), &["10.0.0.9"])), ["10.0.0.9"]);
}

/// The source may tell nothing when the status comes to say what the claim said before.
#[test]
fn the_address_of_an_earlier_claim_gives_way_too() {
    let mut fixture = Fixture::new();
    fixture
        .claims
        .put(hold("a", Some(OLD), "10.0.0.7"), None)
        .unwrap();
    fixture
        .claims
        .put(hold("b", Some(OLD), "10.0.0.8"), Some(&pod(Some(OLD), &[])))
        .unwrap();
    assert_eq!(fixture.seen(&pod(Some(OLD), &["10.0.0.7"])), ["10.0.0.8"]);
    fixture
        .claims
        .put(hold("c", Some(OLD), "10.0.0.7"), None)
        .unwrap();
    assert_eq!(fixture.seen(&pod(Some(OLD), &["10.0.0.8"])), ["10.0.0.7"]);
}

#[test]
fn asking_again_does_not_make_the_claim_its_own_predecessor() {
    let mut fixture = Fixture::new();
    let before = pod(None, &["10.0.0.7"]);
    fixture
        .claims
        .put(hold("b", None, "10.0.0.8"), Some(&before))
        .unwrap();
    let mut again = hold("b", None, "10.0.0.8");
    again.wait = 5;
    fixture
        .claims
        .put(again, Some(&pod(None, &["10.0.0.8"])))
        .unwrap();
    assert_eq!(fixture.seen(&before), ["10.0.0.8"]);
}

#[test]
fn the_latest_container_of_a_pod_counts_whatever_its_id() {
    let mut fixture = Fixture::new();
    fixture
        .claims
        .put(hold("z", None, "10.0.0.7"), None)
        .unwrap();
    fixture
        .claims
        .put(hold("a", None, "10.0.0.8"), None)
        .unwrap();
    assert_eq!(fixture.seen(&pod(None, &[])), ["10.0.0.8"]);
    fixture.restart();
    assert_eq!(fixture.seen(&pod(None, &[])), ["10.0.0.8"]);
}

#[test]
fn addresses_of_second_networks_are_not_the_pods() {
    let mut fixture = Fixture::new();
    let mut second = hold("a", None, "192.168.0.7");
    second.attachment.ifname = "net1".to_owned();
    fixture.claims.put(second, None).unwrap();
    assert!(fixture.seen(&pod(None, &[])).is_empty());
}

/// A look that finds the namespace of the claims, with or without a link.
fn look(of: &Hold, link: bool) -> Links {
    let link = link.then(|| Unenforceable {
        pod_ifname: of.attachment.ifname.clone(),
        kind: LinkKind::Macvlan,
        addresses: Vec::new(),
        why: Why::SharesParent,
    });
    let namespace = Namespace {
        path: of.netns.clone(),
        id: netns(of),
        links: Vec::new(),
        unenforceable: link.into_iter().collect(),
    };
    Links {
        namespaces: vec![namespace],
        ..Links::default()
    }
}

#[test]
fn a_released_claim_stands_until_its_link_is_gone() {
    let mut fixture = Fixture::new();
    let one = hold("a", None, "10.0.0.7");
    fixture.claims.put(one.clone(), None).unwrap();
    fixture.claims.release(&one.attachment);
    assert!(fixture.claims.get(&one.attachment).is_none());
    assert!(fixture.claims.forget_gone(&look(&one, true)).is_empty());
    assert_eq!(fixture.seen(&pod(None, &[])), ["10.0.0.7"]);
    let forgotten = fixture.claims.forget_gone(&look(&one, false));
    assert_eq!(forgotten, BTreeSet::from([key()]));
    assert!(fixture.seen(&pod(None, &[])).is_empty());
}

#[test]
fn what_is_released_is_not_remembered_by_the_next_daemon() {
    let mut fixture = Fixture::new();
    let one = hold("a", None, "10.0.0.7");
    fixture.claims.put(one.clone(), None).unwrap();
    fixture.claims.release(&one.attachment);
    fixture.restart();
    assert!(fixture.claims.pods().is_empty());
}

#[test]
fn a_claim_that_comes_again_after_its_release_counts() {
    let mut fixture = Fixture::new();
    let one = hold("a", None, "10.0.0.7");
    fixture.claims.put(one.clone(), None).unwrap();
    fixture.claims.release(&one.attachment);
    fixture.claims.put(one.clone(), None).unwrap();
    assert!(fixture.claims.get(&one.attachment).is_some());
    fixture.restart();
    assert!(fixture.claims.get(&one.attachment).is_some());
}

#[test]
fn only_attachments_of_the_same_network_are_collected() {
    let mut fixture = Fixture::new();
    let [kept, gone, mut other] = ["a", "b", "c"].map(|id| hold(id, None, "10.0.0.7"));
    other.network = "storage".to_owned();
    for one in [&kept, &gone, &other] {
        fixture.claims.put(one.clone(), None).unwrap();
    }
    let valid = BTreeSet::from([kept.attachment.clone()]);
    fixture.claims.retain("pods", &valid);
    assert!(fixture.claims.get(&kept.attachment).is_some());
    assert!(fixture.claims.get(&gone.attachment).is_none());
    assert!(fixture.claims.get(&other.attachment).is_some());
}

#[test]
fn a_claim_whose_namespace_is_gone_or_another_is_dropped_at_the_start() {
    let mut fixture = Fixture::new();
    let mut gone = hold("a", None, "10.0.0.7");
    gone.netns = "/nonexistent/netns".into();
    let mut reused = hold("b", None, "10.0.0.7");
    reused.inode += 1;
    for one in [gone, reused, hold("c", None, "10.0.0.8")] {
        fixture.claims.put(one, None).unwrap();
    }
    fixture.restart();
    let left: Vec<&str> = fixture
        .claims
        .all
        .keys()
        .map(|one| &*one.container)
        .collect();
    assert_eq!(left, ["c"]);
}

#[test]
fn what_is_no_claim_is_removed_and_harms_nothing() {
    let mut fixture = Fixture::new();
    fixture
        .claims
        .put(hold("a", None, "10.0.0.7"), None)
        .unwrap();
    let directory = fixture.directory.path().join("claims");
    let valid = std::fs::read(directory.join("a:eth0.json")).unwrap();
    std::fs::write(directory.join("half.new"), &valid[..valid.len() / 2]).unwrap();
    std::fs::write(directory.join("b:eth0.json"), &valid).unwrap();
    fixture.restart();
    assert_eq!(fixture.claims.all.len(), 1);
    assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1);
}
