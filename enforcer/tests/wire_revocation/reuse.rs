//! Another pod gets the address of one that had connections.

use std::net::{IpAddr, SocketAddr};

use enforcer::datapath::frame::{ACK, SCTP_DATA, sctp, tcp};
use enforcer_lab::{Namespace, Outcome, Pod, Protocol, Server, probe, raw};

use crate::common::echo::Echo;
use crate::common::frames::mark;
use crate::common::live::Live;
use crate::common::{LONG, SHORT, serve};
use crate::sctp::Association;
use crate::talk::{Talk, addresses};
use crate::world::{Isolated, TEAM, World, both_ways, labelled, pod};

const TCP: u8 = 6;
const SCTP: u8 = 132;
/// The client's port of SCTP.
const PORT: u16 = 47_000;

/// Whether a packet in the middle of a connection arrives.
fn arrives(
    from: (&Namespace, SocketAddr),
    to: (&Namespace, SocketAddr),
    protocol: u8,
    expected: bool,
) -> bool {
    let ports = (from.1.port(), to.1.port());
    let mut packet = match protocol {
        TCP => tcp(ports, ACK),
        _ => sctp(ports, SCTP_DATA),
    };
    packet.extend(mark());
    let patience = if expected { LONG } else { SHORT };
    let ends = [from, to].map(|(namespace, at)| (namespace, at.ip()));
    raw::arrives(ends[0], ends[1], protocol, &packet, patience).unwrap()
}

/// What api had with db in one family.
struct Had {
    own: IpAddr,
    db: IpAddr,
    tcp: SocketAddr,
    udp: SocketAddr,
}

impl Had {
    fn open(api: &Pod, db: &Pod, own: IpAddr, at: IpAddr) -> Self {
        let served = SocketAddr::new(at, 80);
        let (live, echo) = (
            Live::open("api → db", api, at, 80),
            Echo::open("api → db", api, served),
        );
        Association::open("api → db", (api, own), (db, at), PORT);
        Self {
            own,
            db: at,
            tcp: live.client,
            udp: echo.client,
        }
    }

    /// Nothing of it passes for the pod that has the address now.
    fn is_not_inherited(&self, thief: &Pod, db: &Pod) {
        let served = SocketAddr::new(self.db, 80);
        let asks = probe::reach(thief, Some(self.udp), served, Protocol::Udp, SHORT).unwrap();
        assert_eq!(asks, Outcome::Timeout, "{} UDP", self.udp);
        let sctp = SocketAddr::new(self.own, PORT);
        for (client, protocol) in [(self.tcp, TCP), (sctp, SCTP)] {
            let (there, back) = ((thief, client), (db, served));
            for (from, to) in [(there, back), (back, there)] {
                let (at, whom) = (from.1, to.1);
                let passes = arrives((from.0, at), (to.0, whom), protocol, false);
                assert!(!passes, "protocol {protocol}: {at} → {whom}");
            }
        }
    }
}

fn nothing_is_inherited(isolated: Isolated) {
    let label = both_ways("api", &labelled("api"), &serde_json::Value::Null);
    let world = World::new(isolated, |_| label);
    let World {
        node,
        db,
        api,
        web,
        ops: _ops,
        servers: _all,
    } = world;
    let bystanders = [("web", "db", &web, &db), ("db", "web", &db, &web)].map(Talk::open);
    let pairs = addresses(&api).into_iter().zip(addresses(&db));
    let had: Vec<Had> = pairs
        .map(|(own, at)| Had::open(&api, &db, own, at))
        .collect();
    // These go on sending from db's side, whoever has the address.
    let from_db = addresses(&api).map(|at| {
        let echo = Echo::open("db → api", &db, SocketAddr::new(at, 80));
        (Live::open("db → api", &db, at, 80), echo)
    });

    let given = api.addresses.clone();
    let manifest = pod("api", TEAM, &api, 80);
    node.lab.remove_pod(api).unwrap();
    let thief = node.lab.add_pod_with("thief", &given).unwrap();
    let _servers = [
        serve(&thief, 80),
        Server::start(&thief, Protocol::Udp, 80).unwrap(),
    ];
    node.delete(&manifest);
    node.put(&pod("thief", "default", &thief, 80));
    node.settle();
    for had in &had {
        had.is_not_inherited(&thief, &db);
    }
    for (live, echo) in &from_db {
        live.is_cut();
        echo.is_cut();
    }
    bystanders.iter().for_each(Talk::goes_on);
}

#[test]
fn the_next_pod_with_an_address_gets_nothing_of_its_connections() {
    nothing_is_inherited(Isolated::Db);
}

#[test]
fn the_next_pod_with_an_address_gets_nothing_when_both_ends_were_isolated() {
    nothing_is_inherited(Isolated::Both);
}
