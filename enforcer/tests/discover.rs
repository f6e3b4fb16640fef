//! Discovery against the kernel. Needs root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use enforcer::datapath::discover::{DiscoverError, LinkKind, Links, Why, local_addresses, scan};
use enforcer::datapath::netns::{Netns, NetnsError};
use enforcer::datapath::watch::Watcher;
use enforcer_lab::{Home, Namespace};

/// How soon a change must be seen.
const SOON: Duration = Duration::from_secs(1);

/// One test at a time: the mounts of one would wake the watcher of another, which could then find
/// by chance what it missed.
static ALONE: Mutex<()> = Mutex::new(());

/// A node in which the tests play the daemon.
struct Node {
    netns: Namespace,
    netns_dir: PathBuf,
    // These go last.
    home: Home,
    _alone: MutexGuard<'static, ()>,
}

impl Node {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = Home::create().unwrap();
        let netns_dir = home.path().join("netns");
        std::fs::create_dir(&netns_dir).unwrap();
        Self {
            netns: Namespace::create(home.path().join("node")).unwrap(),
            netns_dir,
            home,
            _alone: alone,
        }
    }

    fn pod(&self, name: &str) -> Namespace {
        Namespace::create(self.netns_dir.join(name)).unwrap()
    }

    fn plug(&self, pod: &Namespace, host_name: &str) {
        let peer = pod.path().display();
        self.netns
            .ip(&format!(
                "link add {host_name} type veth peer eth0 netns {peer}"
            ))
            .unwrap();
    }

    fn scan(&self) -> Links {
        let netns = Netns::open(self.netns.path()).unwrap();
        netns
            .run(|| scan(&self.netns_dir, &BTreeSet::new()))
            .unwrap()
            .unwrap()
    }

    fn index(&self, name: &str) -> u32 {
        let line = self.netns.ip(&format!("-o link show dev {name}")).unwrap();
        line.split(':').next().unwrap().parse().unwrap()
    }

    /// Plays the daemon inside the node: watches, and scans at each change until `wanted` holds.
    fn until(&self, change: impl FnOnce() + Send, wanted: impl Fn(&Links) -> bool + Send) {
        let netns = Netns::open(self.netns.path()).unwrap();
        let seen = netns
            .run(|| follow(&self.netns_dir, change, wanted))
            .unwrap();
        assert!(seen, "not seen within {SOON:?}: {:?}", self.scan());
    }
}

fn follow(directory: &Path, change: impl FnOnce(), wanted: impl Fn(&Links) -> bool) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let watcher = Watcher::start(directory).unwrap();
        assert!(
            !wanted(&scan(directory, &BTreeSet::new()).unwrap()),
            "already so before the change"
        );
        change();
        let end = Instant::now() + SOON;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            if tokio::time::timeout(left, watcher.changed()).await.is_err() {
                break;
            }
            if wanted(&scan(directory, &BTreeSet::new()).unwrap()) {
                return true;
            }
        }
        false
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn each_link_of_a_pod_is_found_with_its_own_host_side_and_addresses() {
    let node = Node::new();
    let (web, db) = (node.pod("web"), node.pod("db"));
    // In both namespaces the link has the same index and name.
    node.plug(&web, "vethweb");
    node.plug(&db, "vethdb");
    web.ip("address add 10.1.0.2/32 peer 169.254.1.1 dev eth0")
        .unwrap();
    web.ip("address add fd01::2/128 dev eth0").unwrap();
    web.ip("link set eth0 up").unwrap();
    db.ip("address add 10.1.0.3/24 dev eth0").unwrap();

    let links = node.scan();
    assert!(links.problems.is_empty(), "{:?}", links.problems);
    let [db, web] = &links.namespaces[..] else {
        panic!("{links:?}")
    };
    assert_eq!(web.path, node.netns_dir.join("web"));
    assert_eq!(web.links.len(), 1);
    assert_eq!(web.links[0].host_ifindex, node.index("vethweb"));
    assert_eq!(web.links[0].host_name, "vethweb");
    assert_eq!(web.links[0].kind, LinkKind::Veth);
    assert_eq!(web.links[0].pod_ifname, "eth0");
    assert_eq!(web.links[0].addresses, [ip("10.1.0.2"), ip("fd01::2")]);
    assert_eq!(db.links[0].host_ifindex, node.index("vethdb"));
    assert_eq!(db.links[0].addresses, [ip("10.1.0.3")]);
}

#[test]
fn a_host_side_in_a_bridge_is_found_too() {
    let node = Node::new();
    let web = node.pod("web");
    node.netns.ip("link add cni0 type bridge").unwrap();
    node.plug(&web, "vethweb");
    node.netns.ip("link set vethweb master cni0").unwrap();
    assert_eq!(
        node.scan().namespaces[0].links[0].host_ifindex,
        node.index("vethweb")
    );
}

#[test]
fn macvlan_is_reported_as_unenforceable_with_and_without_address() {
    let node = Node::new();
    let web = node.pod("web");
    node.netns
        .ip("link add uplink0 type veth peer uplink1")
        .unwrap();
    let peer = web.path().display();
    node.netns
        .ip(&format!(
            "link add link uplink0 name mv0 netns {peer} type macvlan mode bridge"
        ))
        .unwrap();
    for addresses in [&[][..], &[ip("10.1.0.2")]] {
        for address in addresses {
            web.ip(&format!("address add {address}/24 dev mv0"))
                .unwrap();
        }
        let links = node.scan();
        let [link] = &links.namespaces[0].unenforceable[..] else {
            panic!("{links:?}")
        };
        assert_eq!(
            (&link.kind, link.why),
            (&LinkKind::Macvlan, Why::SharesParent)
        );
        assert_eq!(link.addresses, addresses);
    }
}

#[test]
fn a_pair_whose_other_side_is_not_the_nodes_is_unenforceable() {
    let node = Node::new();
    let (web, db) = (node.pod("web"), node.pod("db"));
    let peer = db.path().display();
    web.ip(&format!(
        "link add side type veth peer name side netns {peer}"
    ))
    .unwrap();
    web.ip("address add 10.9.0.1/24 dev side").unwrap();
    let links = node.scan();
    let web = &links.namespaces[1];
    assert_eq!(web.links, []);
    assert_eq!(web.unenforceable[0].why, Why::NoHostSide);
}

#[test]
fn links_inside_a_pod_lead_nowhere_by_themselves() {
    let node = Node::new();
    let web = node.pod("web");
    node.plug(&web, "vethweb");
    for (number, words) in [
        "docker0 type bridge",
        "left0 type veth peer right0",
        "mv0 link eth0 type macvlan",
        "vx0 type vxlan id 5 dstport 4789 dev eth0",
    ]
    .into_iter()
    .enumerate()
    {
        web.ip(&format!("link add {words}")).unwrap();
        let name = words.split(' ').next().unwrap();
        web.ip(&format!("address add 172.17.{number}.1/24 dev {name}"))
            .unwrap();
    }
    web.ip("address add 172.18.0.1/32 dev lo").unwrap();
    let links = node.scan();
    let found = &links.namespaces[0].unenforceable;
    assert_eq!(found.len(), 5, "{found:?}");
    for link in found {
        assert_eq!(link.why, Why::Inside, "{link:?}");
        assert_eq!(link.addresses.len(), 1, "{link:?}");
    }
}

#[test]
fn a_tunnel_that_was_made_on_the_node_leads_out() {
    let node = Node::new();
    let web = node.pod("web");
    let file = web.path().display();
    node.netns
        .ip("link add uplink0 type veth peer uplink1")
        .unwrap();
    node.netns
        .ip("link add vx0 type vxlan id 5 dstport 4789 dev uplink0")
        .unwrap();
    node.netns
        .ip(&format!("link set vx0 netns {file}"))
        .unwrap();
    let links = node.scan();
    let [link] = &links.namespaces[0].unenforceable[..] else {
        panic!("{links:?}")
    };
    assert_eq!(link.why, Why::NoHostSide);
}

#[test]
fn the_daemons_own_namespace_and_second_names_are_skipped() {
    let node = Node::new();
    let web = node.pod("web");
    std::os::unix::fs::symlink(node.netns.path(), node.netns_dir.join("self")).unwrap();
    std::os::unix::fs::symlink(web.path(), node.netns_dir.join("zweb")).unwrap();
    let links = node.scan();
    let paths: Vec<_> = links.namespaces.iter().map(|n| n.path.clone()).collect();
    assert_eq!(paths, [node.netns_dir.join("web")]);
    assert!(links.problems.is_empty());
}

#[test]
fn a_file_that_is_no_namespace_is_a_problem_and_hides_nothing() {
    let node = Node::new();
    std::fs::write(node.netns_dir.join("bogus"), "").unwrap();
    let _web = node.pod("web");
    let links = node.scan();
    assert_eq!(links.namespaces.len(), 1);
    assert!(matches!(
        &links.problems[..],
        [(path, DiscoverError::Netns(NetnsError::NotANamespace(_)))] if path.ends_with("bogus")
    ));
}

#[test]
fn local_addresses_are_the_nodes_without_loopback_and_link_local() {
    let node = Node::new();
    node.netns
        .ip("link add uplink0 type veth peer uplink1")
        .unwrap();
    node.netns.ip("link set uplink0 up").unwrap();
    node.netns.ip("link set uplink1 up").unwrap();
    node.netns
        .ip("address add 192.0.2.1/24 dev uplink0")
        .unwrap();
    node.netns
        .ip("address add 2001:db8::1/64 dev uplink0")
        .unwrap();
    node.netns
        .ip("link add kube-ipvs0 type veth peer unused0")
        .unwrap();
    node.netns
        .ip("address add 10.96.0.10/32 dev kube-ipvs0")
        .unwrap();
    let netns = Netns::open(node.netns.path()).unwrap();
    assert_eq!(
        netns.run(local_addresses).unwrap().unwrap(),
        BTreeSet::from([ip("192.0.2.1"), ip("2001:db8::1")])
    );
}

#[test]
fn a_new_namespace_is_seen_at_once() {
    let node = Node::new();
    let mut web = None;
    node.until(
        || web = Some(node.pod("web")),
        |links| links.namespaces.len() == 1,
    );
}

#[test]
fn a_namespace_that_goes_is_seen_at_once() {
    let node = Node::new();
    let web = node.pod("web");
    node.until(|| drop(web), |links| links.namespaces.is_empty());
}

#[test]
fn a_namespace_named_by_a_symbolic_link_is_seen_at_once() {
    let node = Node::new();
    let web = Namespace::create(node.home.path().join("elsewhere")).unwrap();
    node.until(
        || std::os::unix::fs::symlink(web.path(), node.netns_dir.join("web")).unwrap(),
        |links| links.namespaces.len() == 1,
    );
}

#[test]
fn a_directory_that_is_made_later_is_followed() {
    let mut node = Node::new();
    let elsewhere = Namespace::create(node.home.path().join("elsewhere")).unwrap();
    node.netns_dir = node.home.path().join("later/netns");
    node.until(
        || {
            std::fs::create_dir_all(&node.netns_dir).unwrap();
            std::thread::sleep(Duration::from_millis(100));
            std::os::unix::fs::symlink(elsewhere.path(), node.netns_dir.join("web")).unwrap();
        },
        |links| links.namespaces.len() == 1,
    );
}

#[test]
fn a_link_given_to_a_pod_is_seen_at_once() {
    let node = Node::new();
    let web = node.pod("web");
    node.until(
        || node.plug(&web, "vethweb"),
        |links| links.namespaces[0].links.len() == 1,
    );
}

#[test]
fn an_address_given_inside_a_pod_is_seen_at_once() {
    let node = Node::new();
    let web = node.pod("web");
    node.plug(&web, "vethweb");
    for address in ["10.1.0.2/32", "fd01::2/128"] {
        let wanted = ip(address.split('/').next().unwrap());
        node.until(
            || {
                web.ip(&format!("address add {address} dev eth0")).unwrap();
            },
            |links| links.namespaces[0].links[0].addresses.contains(&wanted),
        );
    }
}

#[test]
fn a_link_that_goes_is_seen_at_once() {
    let node = Node::new();
    let web = node.pod("web");
    node.plug(&web, "vethweb");
    node.until(
        || {
            web.ip("link delete eth0").unwrap();
        },
        |links| links.namespaces[0].links.is_empty(),
    );
}

#[test]
fn a_link_that_comes_during_a_look_never_seems_to_have_no_side_on_the_node() {
    let node = Node::new();
    let pods: Vec<_> = (0..40).map(|i| node.pod(&format!("pod{i}"))).collect();
    std::thread::scope(|scope| {
        let plugging = scope.spawn(|| {
            for (number, pod) in pods.iter().enumerate() {
                node.plug(pod, &format!("veth{number}"));
            }
        });
        while !plugging.is_finished() {
            let links = node.scan();
            for namespace in &links.namespaces {
                assert_eq!(namespace.unenforceable, [], "{:?}", namespace.path);
            }
        }
        plugging.join().unwrap();
    });
    let found = node.scan();
    assert!(found.namespaces.iter().all(|one| one.links.len() == 1));
}

#[test]
fn discovery_does_not_wake_its_own_watcher_again_and_again() {
    let node = Node::new();
    let web = node.pod("web");
    node.plug(&web, "vethweb");
    let netns = Netns::open(node.netns.path()).unwrap();
    let wakes = netns.run(|| count_wakes(&node.netns_dir)).unwrap();
    // The first discovery gives the namespace a number, which is one event; other programs of this
    // machine may mount namespaces meanwhile. A loop would be some twenty.
    assert!(wakes < 8, "{wakes}");
}

fn count_wakes(directory: &Path) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let watcher = Watcher::start(directory).unwrap();
        let mut wakes = 0;
        let end = tokio::time::Instant::now() + Duration::from_millis(500);
        loop {
            scan(directory, &BTreeSet::new()).unwrap();
            if tokio::time::timeout_at(end, watcher.changed())
                .await
                .is_err()
            {
                return wakes;
            }
            wakes += 1;
        }
    })
}

#[test]
fn a_node_full_of_pods_is_discovered_whole_by_one_look() {
    let node = Node::new();
    let pods: Vec<_> = (0..60)
        .map(|number| {
            let pod = node.pod(&format!("pod{number}"));
            node.plug(&pod, &format!("veth{number}"));
            pod
        })
        .collect();
    let links = node.scan();
    assert_eq!(
        links
            .namespaces
            .iter()
            .map(|one| one.links.len())
            .sum::<usize>(),
        pods.len()
    );
}

#[test]
fn news_are_kept_for_a_daemon_that_was_busy_or_stopped_waiting() {
    let node = Node::new();
    let netns = Netns::open(node.netns.path()).unwrap();
    let told = netns.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let watcher = Watcher::start(&node.netns_dir).unwrap();
            node.netns.ip("address add 10.9.9.9/32 dev lo").unwrap();
            // As `select!` does when another branch is ready first.
            for _ in 0..3 {
                let waiting = tokio::time::timeout(Duration::from_millis(3), watcher.changed());
                if waiting.await.is_ok() {
                    return true;
                }
            }
            tokio::time::timeout(SOON, watcher.changed()).await.is_ok()
        })
    });
    assert!(told.unwrap());
}
