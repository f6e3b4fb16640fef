//! Where cases are played.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use enforcer::api::client;
use enforcer::api::flows::Line;
use enforcer::datapath::frame;
use enforcer_common::parse::number;
use enforcer_common::{Action, Reason};
use enforcer_flows::Query;
use enforcer_lab::{Families, Pod, Wire};
use serde_json::json;

use crate::case::{Case, DNS, Ends, HTTP, SCTP_PORT, Side};
use crate::common::frames::mark;
use crate::common::{BRIDGE, LONG, Node, app, policy};

/// Time for what must happen, of which there may be much that does not when all is told at the end.
const ENOUGH: Duration = Duration::from_secs(5);

/// Time for a frame that must not arrive, after the daemon has counted its end.
const MOMENT: Duration = Duration::from_millis(20);

/// A bridge, which carries frames as they are, with two pods that nobody isolates and one that is
/// isolated both ways.
pub(crate) struct Stage {
    records: Arc<Mutex<Vec<(String, String)>>>,
    held: Place,
    open: Place,
    other: Place,
    port: u16,
    node: Node,
}

struct Place {
    pod: Pod,
    wire: Wire,
    side: Side,
}

impl Stage {
    /// Builds one and starts a daemon.
    pub(crate) fn new() -> Self {
        let mut node = Node::new(BRIDGE, Families::Dual);
        let [held, open, other] = ["held", "open", "other"].map(|name| place(&node, name));
        let ports = json!([
            {"port": DNS, "protocol": "UDP"},
            {"port": HTTP},
            {"port": SCTP_PORT, "protocol": "SCTP"},
        ]);
        let spec = json!({
            "podSelector": {"matchLabels": {"app": "held"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [app("open")], "ports": ports}],
            "egress": [{"to": [app("open")], "ports": ports}],
        });
        node.put(&policy("held", &spec));
        // Every drop is told.
        node.start("--each-denial --events-per-second 1000000");
        let records = follow(&node);
        let stage = Self {
            records,
            held,
            open,
            other,
            port: 40_000,
            node,
        };
        stage.introduce();
        stage
    }

    /// The bridge learns where everybody is, so that it floods nothing.
    fn introduce(&self) {
        let places = [&self.held, &self.open, &self.other];
        for from in places {
            let mark = mark();
            let ends = Ends {
                from: from.side,
                to: Side {
                    mac: [0xff; 6],
                    ..from.side
                },
                other: from.side,
                node: from.side.v4,
                port: 0,
                mark,
            };
            let hello = frame::arp(1, from.side.v4, from.side.v4);
            let frame = ends.ethernet(number::ARP, &[&hello[..], &mark].concat());
            from.wire.send(&frame).unwrap();
            for to in places {
                if to.side.mac != from.side.mac {
                    assert!(to.sees(mark, LONG), "{} does not reach", from.pod.name);
                }
            }
        }
    }

    /// Plays every case in every direction; fails at the end with all that went wrong.
    pub(crate) fn play(&mut self, cases: &[Case]) {
        let mut wrong = Vec::new();
        for case in cases {
            if let Some(reason) = case.from_pod {
                wrong.extend(self.try_out(case, "from_pod", reason));
            }
            if let Some(reason) = case.to_pod {
                wrong.extend(self.try_out(case, "to_pod", reason));
            }
            wrong.extend(self.try_out(case, "open", case.open));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn try_out(&mut self, case: &Case, way: &str, expected: Reason) -> Option<String> {
        self.port += 1;
        let (from, to, other) = match way {
            "from_pod" => (&self.held, &self.open, &self.other),
            "to_pod" => (&self.open, &self.held, &self.other),
            _ => (&self.open, &self.other, &self.held),
        };
        let ends = Ends {
            from: from.side,
            to: to.side,
            other: other.side,
            node: self.node_address(),
            port: self.port,
            mark: mark(),
        };
        let (hook, judge) = match way {
            "to_pod" => ("ingress", to),
            _ => ("egress", from),
        };
        let told = (
            format!("default/{}", judge.pod.name),
            expected.name().to_owned(),
        );
        let before = self.node.status().packets;
        let told_before = self.told(&told);
        for frame in (case.frames)(&ends) {
            let sender = if frame[6..12] == ends.to.mac {
                to
            } else {
                from
            };
            sender.wire.send(&frame).unwrap();
        }
        let arrives = expected.action() == Action::Pass;
        let patience = if arrives { ENOUGH } else { MOMENT };
        let counter = format!("{hook}/{}", expected.name());
        let grew = || {
            let was = before.get(&counter).copied().unwrap_or(0);
            expected == Reason::NotIsolated || self.node.packets(&counter) > was
        };
        let is_told = || arrives || self.told(&told) > told_before;
        let as_expected = soon(grew) && soon(is_told);
        let seen = to.sees(ends.mark, patience);
        if as_expected && seen == arrives {
            return None;
        }
        let after = self.node.status().packets;
        let changes: Vec<_> = after
            .iter()
            .filter(|(name, count)| before.get(*name) != Some(count))
            .map(|(name, _)| name.as_str())
            .collect();
        Some(format!(
            "{} ({way}): expected {counter}, counted {changes:?}, told {}, arrived: {seen}",
            case.name,
            is_told(),
        ))
    }

    fn node_address(&self) -> Ipv4Addr {
        let addresses = self.node.lab.node_addresses();
        let v4 = addresses.into_iter().find_map(|address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        });
        v4.unwrap()
    }

    fn told(&self, what: &(String, String)) -> usize {
        let records = self.records.lock().unwrap();
        records.iter().filter(|record| *record == what).count()
    }
}

impl Place {
    fn sees(&self, mark: [u8; 8], patience: Duration) -> bool {
        let is_it = |frame: &[u8]| frame.windows(8).any(|window| window == mark);
        self.wire.receive(patience, is_it).unwrap().is_some()
    }
}

fn place(node: &Node, name: &str) -> Place {
    let pod = node.pod(name);
    let wire = Wire::open(&pod, "eth0").unwrap();
    let (Some(IpAddr::V4(v4)), Some(IpAddr::V6(v6))) = (pod.v4(), pod.v6()) else {
        unreachable!("the lab has both families");
    };
    let side = Side {
        mac: wire.mac,
        v4,
        v6,
    };
    Place { pod, wire, side }
}

/// (endpoint, reason) of all that the daemon tells from now on.
fn follow(node: &Node) -> Arc<Mutex<Vec<(String, String)>>> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let query = Query {
        follow: true,
        ..Query::default()
    };
    let lines = client::flows(&node.socket(), query).unwrap();
    let kept = records.clone();
    // Ends with the daemon.
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Line::Record(record) = line {
                let endpoint = record.context.endpoint.as_ref();
                let endpoint = endpoint.map(ToString::to_string).unwrap_or_default();
                let reason = record.reason.name().to_owned();
                kept.lock().unwrap().push((endpoint, reason));
            }
        }
    });
    records
}

/// Whether the answer becomes yes.
fn soon(holds: impl Fn() -> bool) -> bool {
    let end = Instant::now() + ENOUGH;
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}
