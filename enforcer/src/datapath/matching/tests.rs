use std::path::PathBuf;

use super::*;
use crate::datapath::discover::{LinkKind, Namespace, Why};
use crate::datapath::netns::NetnsId;

pub(super) fn link(namespace: &str, host_ifindex: u32, addresses: &[&str]) -> Arc<PodLink> {
    Arc::new(PodLink {
        host_ifindex,
        host_name: format!("veth{host_ifindex}"),
        kind: LinkKind::Veth,
        namespace: PathBuf::from(namespace),
        pod_ifindex: 2,
        pod_ifname: "eth0".to_owned(),
        addresses: parse(addresses),
    })
}

pub(super) fn slave(addresses: &[&str]) -> Unenforceable {
    Unenforceable {
        pod_ifname: "eth0".to_owned(),
        kind: LinkKind::Ipvlan,
        addresses: parse(addresses),
        why: Why::SharesParent,
    }
}

/// A link inside the namespace, such as a bridge.
pub(super) fn inside(addresses: &[&str]) -> Unenforceable {
    Unenforceable {
        pod_ifname: "docker0".to_owned(),
        kind: LinkKind::Other("bridge".to_owned()),
        addresses: parse(addresses),
        why: Why::Inside,
    }
}

pub(super) fn parse(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|text| text.parse().unwrap()).collect()
}

/// A namespace by its path, with its links.
type Space<'a> = (&'a str, &'a [Arc<PodLink>], &'a [Unenforceable]);

pub(super) fn there(namespaces: &[Space<'_>]) -> Links {
    let namespaces = namespaces.iter().zip(1..);
    Links {
        namespaces: namespaces
            .map(|((path, links, unenforceable), inode)| Namespace {
                path: PathBuf::from(path),
                id: NetnsId { device: 4, inode },
                links: links.to_vec(),
                unenforceable: unenforceable.to_vec(),
            })
            .collect(),
        ..Links::default()
    }
}

pub(super) fn key(name: &str) -> PodKey {
    PodKey {
        namespace: "default".into(),
        name: name.into(),
    }
}

fn pods(pods: &[(&str, &[&str])]) -> BTreeMap<PodKey, Vec<IpAddr>> {
    pods.iter()
        .map(|(name, addresses)| (key(name), parse(addresses)))
        .collect()
}

#[test]
fn a_pod_has_the_link_that_holds_its_address() {
    let (web, db) = (link("web", 7, &["10.0.0.2"]), link("db", 8, &["10.0.0.3"]));
    let links = there(&[
        ("db", std::slice::from_ref(&db), &[]),
        ("web", std::slice::from_ref(&web), &[]),
    ]);
    let matching = match_pods(
        &links,
        &pods(&[("web", &["10.0.0.2"]), ("db", &["10.0.0.3"])]),
    );
    let expected = BTreeMap::from([(key("web"), vec![web]), (key("db"), vec![db])]);
    assert_eq!(
        matching,
        Matching {
            links: expected,
            ..Matching::default()
        }
    );
}

#[test]
fn both_families_on_one_link_make_one_link() {
    let both = link("web", 7, &["10.0.0.2", "fd00::2"]);
    let links = there(&[("web", std::slice::from_ref(&both), &[])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2", "fd00::2"])]));
    assert_eq!(matching.links[&key("web")], [both]);
}

#[test]
fn families_on_two_links_are_both_the_pods() {
    let (v4, v6) = (link("web", 7, &["10.0.0.2"]), link("web", 8, &["fd00::2"]));
    let links = there(&[("web", &[v4.clone(), v6.clone()], &[])]);
    let matching = match_pods(&links, &pods(&[("web", &["fd00::2", "10.0.0.2"])]));
    assert_eq!(matching.links[&key("web")], [v4, v6]);
}

#[test]
fn a_second_network_of_a_pod_is_secondary() {
    let (first, second) = (
        link("web", 7, &["10.0.0.2"]),
        link("web", 8, &["192.168.1.2"]),
    );
    let links = there(&[("web", &[second.clone(), first.clone()], &[])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.links[&key("web")], [first]);
    assert_eq!(matching.secondary[&key("web")], [second]);
    assert_eq!(matching.unknown, []);
}

#[test]
fn a_link_without_address_or_without_pod_is_unknown() {
    let (bare, strange) = (link("a", 7, &[]), link("b", 8, &["10.0.0.9"]));
    let links = there(&[
        ("a", std::slice::from_ref(&bare), &[]),
        ("b", std::slice::from_ref(&strange), &[]),
    ]);
    assert_eq!(match_pods(&links, &pods(&[])).unknown, [bare, strange]);
}

#[test]
fn a_pod_without_address_is_missing_for_that() {
    let matching = match_pods(&Links::default(), &pods(&[("web", &[])]));
    assert_eq!(matching.missing[&key("web")], Missing::NoAddress);
}

#[test]
fn a_pod_whose_addresses_are_nowhere_is_missing_with_all_of_them() {
    let matching = match_pods(
        &Links::default(),
        &pods(&[("web", &["10.0.0.2", "fd00::2"])]),
    );
    let missing = &matching.missing[&key("web")];
    assert_eq!(*missing, Missing::NotFound(parse(&["10.0.0.2", "fd00::2"])));
    assert_eq!(
        missing.to_string(),
        "no network namespace here has 10.0.0.2, fd00::2"
    );
}

#[test]
fn a_second_address_that_is_not_here_yet_is_no_report() {
    let links = there(&[("web", &[link("web", 7, &["10.0.0.2"])], &[])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2", "fd00::2"])]));
    assert_eq!(matching.missing, BTreeMap::new());
}

#[test]
fn an_address_on_ipvlan_is_missing_with_the_reason() {
    let links = there(&[("web", &[], &[slave(&["10.0.0.2"])])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    let why = matching.not_enforced(&key("web")).unwrap();
    assert!(
        why.starts_with("10.0.0.2 is on eth0 (ipvlan) of web: its packets go by the parent link"),
        "{why}"
    );
    assert!(why.contains("give the pod a veth"), "{why}");
    assert_eq!(
        matching.unenforced(),
        BTreeMap::from([(&key("web"), why.clone())])
    );
}

#[test]
fn one_family_on_veth_and_the_other_on_ipvlan_is_enforced_and_reported() {
    let veth = link("web", 7, &["10.0.0.2"]);
    let links = there(&[("web", std::slice::from_ref(&veth), &[slave(&["fd00::2"])])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2", "fd00::2"])]));
    assert_eq!(matching.links[&key("web")], [veth]);
    assert!(matches!(
        matching.missing[&key("web")],
        Missing::Unenforceable(..)
    ));
}

#[test]
fn an_address_in_two_namespaces_belongs_to_nobody() {
    let (a, b) = (link("a", 7, &["10.0.0.2"]), link("b", 8, &["10.0.0.2"]));
    let links = there(&[
        ("a", std::slice::from_ref(&a), &[]),
        ("b", std::slice::from_ref(&b), &[]),
    ]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    let address: IpAddr = "10.0.0.2".parse().unwrap();
    assert_eq!(matching.links, BTreeMap::new());
    assert_eq!(matching.ambiguous, [(a, address), (b, address)]);
    assert_eq!(
        matching.missing[&key("web")].to_string(),
        "10.0.0.2 is in several network namespaces: a, b"
    );
}

#[test]
fn an_address_that_two_pods_claim_belongs_to_neither() {
    let only = link("a", 7, &["10.0.0.2"]);
    let links = there(&[("a", std::slice::from_ref(&only), &[])]);
    let matching = match_pods(
        &links,
        &pods(&[("one", &["10.0.0.2"]), ("two", &["10.0.0.2"])]),
    );
    assert_eq!(matching.links, BTreeMap::new());
    assert_eq!(matching.ambiguous.len(), 1);
    for pod in ["one", "two"] {
        assert_eq!(
            matching.missing[&key(pod)].to_string(),
            "10.0.0.2 is claimed by several pods: default/one, default/two"
        );
    }
}

#[test]
fn a_second_link_that_cannot_be_enforced_is_reported_beside_the_first() {
    let first = link("web", 7, &["10.0.0.2"]);
    let mut second = slave(&["192.168.1.2"]);
    second.pod_ifname = "net1".to_owned();
    // Packets can leave by it without an address too.
    let mut bare = slave(&[]);
    bare.pod_ifname = "net2".to_owned();
    let links = there(&[("web", std::slice::from_ref(&first), &[second, bare])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.links[&key("web")], [first]);
    assert_eq!(matching.missing, BTreeMap::new());
    let why = matching.not_enforced(&key("web")).unwrap();
    assert!(
        why.starts_with("net1 (ipvlan) 192.168.1.2: ") && why.contains("; net2 (ipvlan): "),
        "{why}"
    );
    assert_eq!(matching.unenforced().len(), 1);
}

#[test]
fn a_link_inside_the_pod_is_no_loophole() {
    let first = link("web", 7, &["10.0.0.2"]);
    let links = there(&[("web", &[first], &[inside(&["172.17.0.1"])])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.not_enforced(&key("web")), None);
}

#[test]
fn an_address_on_a_link_inside_the_pod_too_takes_nothing_from_its_links() {
    let first = link("web", 7, &["10.0.0.2"]);
    let twice = inside(&["10.0.0.2"]);
    let links = there(&[("web", std::slice::from_ref(&first), &[twice])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.links[&key("web")], [first]);
    assert_eq!(matching.not_enforced(&key("web")), None);
}

#[test]
fn an_address_on_a_link_inside_the_pod_alone_is_of_all_its_links() {
    let bare = link("web", 7, &[]);
    let loopback = inside(&["10.0.0.2"]);
    let links = there(&[(
        "web",
        std::slice::from_ref(&bare),
        std::slice::from_ref(&loopback),
    )]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.links[&key("web")], [bare]);
    assert_eq!(matching.not_enforced(&key("web")), None);

    let links = there(&[("web", &[], &[loopback])]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert!(
        matching
            .not_enforced(&key("web"))
            .unwrap()
            .contains("ends inside")
    );
}

#[test]
fn the_second_network_of_a_pod_whose_first_cannot_be_enforced_is_secondary() {
    let second = link("web", 8, &["192.168.1.2"]);
    let links = there(&[(
        "web",
        std::slice::from_ref(&second),
        &[slave(&["10.0.0.2"])],
    )]);
    let matching = match_pods(&links, &pods(&[("web", &["10.0.0.2"])]));
    assert_eq!(matching.secondary[&key("web")], [second]);
    assert_eq!(matching.unknown, []);
    // The same link is told once.
    let why = matching.not_enforced(&key("web")).unwrap();
    assert_eq!(why.matches("ipvlan").count(), 1, "{why}");
}

#[test]
fn a_pod_that_is_starting_or_elsewhere_is_no_news() {
    let matching = match_pods(
        &Links::default(),
        &pods(&[("web", &[]), ("db", &["10.0.0.3"])]),
    );
    assert_eq!(matching.missing.len(), 2);
    assert_eq!(matching.unenforced(), BTreeMap::new());
}

/// The matching after a pod's addresses have changed inside it.
fn after(
    before: &[Arc<PodLink>],
    now: &[Arc<PodLink>],
    claims: [&[(&str, &[&str])]; 2],
) -> Matching {
    let claims = claims.map(pods);
    let earlier = match_pods(&there(&[("web", before, &[])]), &claims[0]);
    assert_eq!(earlier.unknown, []);
    let mut matching = match_pods(&there(&[("web", now, &[])]), &claims[1]);
    matching.keep(&earlier, |pod| claims[0].get(pod) == claims[1].get(pod));
    matching
}

#[test]
fn a_pod_that_drops_its_address_keeps_its_links_and_their_policies() {
    let before = [
        link("web", 7, &["10.0.0.2"]),
        link("web", 8, &["192.168.1.2"]),
    ];
    let web: &[(&str, &[&str])] = &[("web", &["10.0.0.2"])];
    for addresses in [&[][..], &["10.0.0.9"]] {
        let now = [link("web", 7, addresses), link("web", 8, &["192.168.1.2"])];
        let matching = after(&before, &now, [web, web]);
        assert_eq!(matching.links[&key("web")], now[..1]);
        assert_eq!(matching.secondary[&key("web")], now[1..]);
        assert_eq!((&*matching.unknown, matching.missing.len()), (&[][..], 0));
    }
}

#[test]
fn a_pod_whose_unenforceable_link_drops_its_address_keeps_its_other_links() {
    let other = [link("web", 8, &["192.168.1.2"])];
    let claims = pods(&[("web", &["10.0.0.2"])]);
    let before = match_pods(&there(&[("web", &other, &[slave(&["10.0.0.2"])])]), &claims);
    assert_eq!(before.secondary[&key("web")], other);
    let mut now = match_pods(&there(&[("web", &other, &[slave(&[])])]), &claims);
    now.keep(&before, |_| true);
    assert_eq!(now.secondary[&key("web")], other);
    assert_eq!((now.unknown.len(), now.missing.len()), (0, 1));
}

#[test]
fn a_pod_that_is_gone_or_has_other_addresses_keeps_no_link() {
    let before = [link("web", 7, &["10.0.0.2"])];
    let now = [link("web", 7, &[])];
    let web: &[(&str, &[&str])] = &[("web", &["10.0.0.2"])];
    let others: [&[(&str, &[&str])]; 3] =
        [&[], &[("web", &["10.0.0.3"])], &[("db", &["10.0.0.2"])]];
    for later in others {
        let matching = after(&before, &now, [web, later]);
        assert_eq!((&*matching.unknown, matching.links.len()), (&now[..], 0));
    }
    // Another link with the same index, after the first was removed.
    let mut other = now;
    Arc::make_mut(&mut other[0]).namespace = PathBuf::from("other");
    let matching = after(&before, &other, [web, web]);
    assert_eq!((&*matching.unknown, matching.links.len()), (&other[..], 0));
}
