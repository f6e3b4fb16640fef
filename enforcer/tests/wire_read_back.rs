//! Maps that somebody else writes to: it is seen, mended, counted and said. Needs root and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData};
use common::live::Live;
use common::{Node, app, connects, eventually, ingress, serve};
use enforcer_common::abi::{Endpoint, Peer, PortRange, Verdict, VerdictKey};
use enforcer_lab::{Families, Pod, Shape};
use serde_json::json;

/// A block that a policy allows, and nobody has.
const BLOCK: [u8; 4] = [192, 0, 2, 0];

/// A daemon that reads its maps back every second; a database, whom it allows, and whom not.
struct World {
    db: Pod,
    api: Pod,
    web: Pod,
    _server: enforcer_lab::Server,
    node: Node,
}

impl World {
    fn new() -> Self {
        let mut node = Node::new(Shape::Ptp, Families::V4);
        let [db, api, web] = ["db", "api", "web"].map(|name| node.pod(name));
        let block = json!({"ipBlock": {"cidr": "192.0.2.0/24"}});
        let rules = json!([{"from": [app("api"), block], "ports": [{"port": 80}]}]);
        node.put(&ingress("db", "db", &rules));
        let server = serve(&db, 80);
        node.start("--read-back 1");
        let world = Self {
            db,
            api,
            web,
            _server: server,
            node,
        };
        world.is_right();
        world
    }

    fn is_right(&self) {
        let to = self.db.v4().unwrap();
        connects(&self.api, to, 80, true);
        connects(&self.web, to, 80, false);
    }

    /// The only map of this name that the daemon holds.
    fn map(&self, name: &str) -> MapData {
        let process = self.node.daemon().id();
        let files = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
        let mut found: BTreeMap<u32, MapData> = BTreeMap::new();
        for file in files {
            // A file that is closed meanwhile is no map.
            let text = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
            let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
            let Some(id) = id else { continue };
            let id = id.trim().parse().unwrap();
            let data = MapData::from_id(id).unwrap();
            if data.info().unwrap().name_as_str() == Some(name) {
                found.insert(id, data);
            }
        }
        assert_eq!(found.len(), 1, "maps of the name {name}");
        found.pop_first().unwrap().1
    }

    fn hash<K: aya::Pod>(&self, name: &str) -> HashMap<MapData, K, [u8; 12]> {
        HashMap::try_from(Map::HashMap(self.map(name))).unwrap()
    }

    fn repaired(&self, map: &str) -> u64 {
        let status = self.node.status();
        status.drift_repaired.get(map).copied().unwrap_or(0)
    }

    /// Waits until as many entries have been mended, and looks whether everything is right again.
    fn mends(&self, map: &str, count: u64, key: &str) {
        eventually(&format!("{map} is mended"), || self.repaired(map) >= count);
        assert_eq!(self.repaired(map), count, "{map}");
        self.is_right();
        let said = self.node.verb(&["status"]);
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("not as written, repaired"), "{said}");
        let log = self.node.daemon().log();
        let line = |line: &str| line.contains("not as written") && line.contains(key);
        assert!(log.lines().any(line), "no {key} in:\n{log}");
    }
}

fn held<K: aya::Pod + Ord>(map: &HashMap<MapData, K, [u8; 12]>) -> BTreeMap<K, [u8; 12]> {
    map.iter().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_verdict_that_somebody_changed_removed_or_added_is_mended() {
    let world = World::new();
    let mut map = world.hash::<[u8; 8]>("VERDICTS");
    let before = held(&map);
    assert!(before.len() > 1, "{before:?}");
    for key in before.keys() {
        let verdict: [u8; 12] = bytemuck::must_cast(Verdict::ALLOW_ALL);
        map.insert(key, verdict, 0).unwrap();
    }
    let key: VerdictKey = bytemuck::must_cast(*before.keys().next().unwrap());
    let words = format!("set {}, identity {}", key.set, key.identity);
    let count = before.len() as u64;
    world.mends("VERDICTS", count, &words);
    assert_eq!(held(&map), before);

    map.remove(before.keys().next().unwrap()).unwrap();
    world.mends("VERDICTS", count + 1, &words);
    assert_eq!(held(&map), before);

    let stray = VerdictKey {
        set: 77,
        identity: 78,
    };
    let verdict: [u8; 12] = bytemuck::must_cast(Verdict::ALLOW_ALL);
    let key: [u8; 8] = bytemuck::must_cast(stray);
    map.insert(key, verdict, 0).unwrap();
    world.mends("VERDICTS", count + 2, "set 77, identity 78");
    assert_eq!(held(&map), before);
}

#[test]
fn an_address_that_somebody_changed_removed_or_added_is_mended() {
    let world = World::new();
    let mut map = world.hash::<[u8; 4]>("ADDRESSES_V4");
    let before = held(&map);
    let octets = |pod: &Pod| match pod.v4() {
        Some(IpAddr::V4(v4)) => v4.octets(),
        other => panic!("{other:?}"),
    };
    let (api, web) = (octets(&world.api), octets(&world.web));
    // Who may not seems to be who may.
    map.insert(web, before[&api], 0).unwrap();
    world.mends("ADDRESSES", 1, &Ipv4Addr::from(web).to_string());
    map.remove(&api).unwrap();
    world.mends("ADDRESSES", 2, &Ipv4Addr::from(api).to_string());
    map.insert([203, 0, 113, 9], before[&api], 0).unwrap();
    world.mends("ADDRESSES", 3, "203.0.113.9");
    assert_eq!(held(&map), before);
}

#[test]
fn a_prefix_that_somebody_changed_removed_or_added_is_mended() {
    let world = World::new();
    let mut map: LpmTrie<MapData, [u8; 4], [u8; 12]> =
        LpmTrie::try_from(Map::LpmTrie(world.map("CIDRS_V4"))).unwrap();
    let block = Key::new(24, BLOCK);
    let before = map.get(&block, 0).unwrap();
    let nobody: [u8; 12] = bytemuck::must_cast(Peer::default());
    map.insert(&block, nobody, 0).unwrap();
    world.mends("CIDRS", 1, "192.0.2.0/24");
    assert_eq!(map.get(&block, 0).unwrap(), before);
    map.remove(&block).unwrap();
    world.mends("CIDRS", 2, "192.0.2.0/24");
    // Everybody seems to be in the block.
    let all = Key::new(0, [0; 4]);
    map.insert(&all, before, 0).unwrap();
    world.mends("CIDRS", 3, "0.0.0.0/0");
    assert!(map.get(&all, 0).is_err());
}

#[test]
fn a_port_list_that_somebody_changed_is_mended() {
    let world = World::new();
    let mut map: Array<MapData, [u8; 8]> = Array::try_from(Map::Array(world.map("PORTS"))).unwrap();
    let before = map.get(&0, 0).unwrap();
    let mut range: PortRange = bytemuck::must_cast(before);
    assert_eq!((range.low, range.allow), (80, 1));
    range.allow = 0;
    map.set(0, bytemuck::must_cast::<_, [u8; 8]>(range), 0)
        .unwrap();
    world.mends("PORTS", 1, "slot 0");
    assert_eq!(map.get(&0, 0).unwrap(), before);
}

#[test]
fn an_endpoint_that_somebody_opened_is_mended() {
    let world = World::new();
    let mut map: Array<MapData, [u8; 64]> =
        Array::try_from(Map::Array(world.map("ENDPOINTS"))).unwrap();
    let isolated = |bytes: &[u8; 64]| {
        let endpoint: Endpoint = bytemuck::must_cast(*bytes);
        endpoint.flags & Endpoint::ISOLATED != 0
    };
    let all = (0..1000).map(|ifindex| (ifindex, map.get(&ifindex, 0).unwrap()));
    let db: Vec<(u32, [u8; 64])> = all.filter(|(_, bytes)| isolated(bytes)).collect();
    let &[(ifindex, before)] = &db[..] else {
        panic!("{db:?}");
    };
    let mut endpoint: Endpoint = bytemuck::must_cast(before);
    endpoint.flags &= !Endpoint::ISOLATED;
    endpoint.sets = [0; 2];
    map.set(ifindex, bytemuck::must_cast::<_, [u8; 64]>(endpoint), 0)
        .unwrap();
    world.mends("ENDPOINTS", 1, &format!("link {ifindex}"));
    assert!(isolated(&map.get(&ifindex, 0).unwrap()));
}

#[test]
fn what_was_opened_while_a_map_was_wrong_does_not_outlive_its_repair() {
    let world = World::new();
    let mut map = world.hash::<[u8; 8]>("VERDICTS");
    let to = world.db.v4().unwrap();
    let right = Live::open("who may", &world.api, to, 80);
    let mut open = || {
        let keys = held(&map);
        for key in keys.keys() {
            let verdict: [u8; 12] = bytemuck::must_cast(Verdict::ALLOW_ALL);
            map.insert(key, verdict, 0).unwrap();
        }
        keys.len() as u64
    };
    let count = open();
    eventually("the verdicts are mended", || {
        world.repaired("VERDICTS") == count
    });
    // There is time until the next look.
    open();
    let wrong = Live::open("who may not", &world.web, to, 80);
    wrong.is_cut_within(common::LONG);
    eventually("they are mended again", || {
        world.repaired("VERDICTS") == 2 * count
    });
    right.goes_on();
}

#[test]
fn maps_that_are_as_written_are_left_alone_while_everything_changes() {
    let world = World::new();
    for turn in 0..40 {
        let from = if turn % 2 == 0 { "web" } else { "api" };
        let rules = json!([{"from": [app(from)], "ports": [{"port": 80 + turn % 3}]}]);
        world.node.put(&ingress("db", "db", &rules));
        let labels = [("app", if turn % 3 == 0 { "web" } else { "other" })];
        let object = common::pod_object("web", &labels, &world.web.addresses);
        world.node.put(&object);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    world.node.settle();
    let status = world.node.status();
    assert_eq!(status.drift_repaired, BTreeMap::new());
    assert_eq!(status.faults, Vec::<String>::new());
}
