//! Which translated connections of the kernel's table policy denies (pure).
//!
//! What the endpoint of a service sends to its client is translated back before it reaches the
//! client's link, so that no program can tell there whose it is. But the table knows. A connection
//! that is no longer in it is not translated back: what the endpoint still sends comes under its
//! own address, at which the client's program denies it, and what the client sends is translated
//! anew, to whatever the service is by then.

use std::net::IpAddr;

use enforcer_common::abi::address::{LOCAL_NODE, NO_NODE, to_ip};
use enforcer_common::abi::{Direction, Endpoint, Peer};
use enforcer_policy::tables::Tables;

use super::conntrack::{Answers, Entry};

/// Whether a pod's policy may have anything against what it opened, and the programs let anything
/// pass that it has nothing against.
pub fn judges(endpoint: &Endpoint) -> bool {
    endpoint.isolated(Direction::Egress) && endpoint.flags & Endpoint::DENY_ALL == 0
}

/// Whether one endpoint instead of the other may deny what was allowed to a pod that opened it.
pub fn may_deny_more(old: Option<&Endpoint>, new: &Endpoint) -> bool {
    let egress = Direction::Egress.index();
    let is_as_before = old.is_some_and(|old| {
        let was_held = old.flags & Endpoint::DENY_ALL != 0;
        old.id == new.id && old.revisions[egress] == new.revisions[egress] && !was_held
    });
    judges(new) && !is_as_before
}

/// Whether the policy of a pod denies the connection that is answered so, as it is judged behind
/// the translation ([`enforcer_common::decide::leaving`]).
pub fn denies(tables: &Tables, endpoint: &Endpoint, answers: &Answers) -> bool {
    let real = answers.from.ip();
    if !judges(endpoint) || is_own(endpoint, real) {
        return false;
    }
    let peer = tables.peer(real);
    let port = answers.from.port();
    let set = endpoint.sets[Direction::Egress.index()];
    !is_own_node(endpoint, peer) && !tables.allows(set, peer.identity, answers.protocol, port)
}

/// Whether what a pod sends to the address that it asked is deferred, so that only the address
/// behind the translation matters. Of what was deferred earlier, the flow still knows.
pub fn defers(tables: &Tables, endpoint: &Endpoint, entry: &Entry) -> bool {
    let peer = tables.peer(entry.original.destination);
    peer.flags & Peer::SERVICE != 0 || is_own_node(endpoint, peer)
}

fn is_own(endpoint: &Endpoint, address: IpAddr) -> bool {
    [to_ip(endpoint.v4), to_ip(endpoint.v6)].contains(&address)
}

fn is_own_node(endpoint: &Endpoint, peer: Peer) -> bool {
    peer.node == LOCAL_NODE || (peer.node != NO_NODE && peer.node == endpoint.node)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use enforcer_common::abi::{Verdict, VerdictKey, address};
    use enforcer_common::parse::number;

    use super::super::conntrack::{Ports, State, Tuple};
    use super::*;

    /// The policy set of the pod, and who it allows.
    const SET: u32 = 7;
    const FRIEND: u32 = 3;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// 10.0.0.1 on node 1, whose egress one set decides.
    fn pod() -> Endpoint {
        Endpoint {
            id: 1,
            flags: Endpoint::ISOLATED,
            sets: [0, SET],
            node: 1,
            v4: address::v4([10, 0, 0, 1].into()),
            ..Endpoint::default()
        }
    }

    /// 10.0.0.2 is allowed, 10.96.0.10 is a service, 192.0.2.1 the pod's node, 192.0.2.2 another.
    fn tables() -> Tables {
        let peer = |identity, node, flags| Peer {
            identity,
            node,
            flags,
        };
        let allowed = Verdict {
            default_allow: 1,
            ..Verdict::default()
        };
        let key = VerdictKey {
            set: SET,
            identity: FRIEND,
        };
        Tables {
            addresses: [
                (ip("10.0.0.2"), peer(FRIEND, NO_NODE, 0)),
                (ip("10.0.0.3"), peer(4, NO_NODE, 0)),
                (ip("10.96.0.10"), peer(5, NO_NODE, Peer::SERVICE)),
                (ip("192.0.2.1"), peer(6, 1, 0)),
                (ip("192.0.2.2"), peer(6, 2, 0)),
            ]
            .into(),
            verdicts: [(key, allowed)].into(),
            ..Tables::default()
        }
    }

    fn answers(from: &str) -> Answers {
        Answers {
            protocol: number::TCP,
            from: SocketAddr::new(ip(from), 8080),
            to: SocketAddr::new(ip("10.0.0.1"), 5000),
        }
    }

    #[test]
    fn the_policy_is_asked_about_who_answers() {
        let denied = |from| denies(&tables(), &pod(), &answers(from));
        assert!(!denied("10.0.0.2"));
        assert!(denied("10.0.0.3"));
        assert!(denied("203.0.113.1"), "nobody's address");
    }

    #[test]
    fn the_pod_itself_and_its_own_node_are_never_denied() {
        let denied = |from| denies(&tables(), &pod(), &answers(from));
        assert!(!denied("10.0.0.1"));
        assert!(!denied("192.0.2.1"));
        assert!(denied("192.0.2.2"));
    }

    #[test]
    fn who_is_not_isolated_and_who_is_held_denies_nothing_here() {
        let from = answers("10.0.0.3");
        let free = Endpoint {
            sets: [SET, 0],
            ..pod()
        };
        assert!(!denies(&tables(), &free, &from));
        let held = Endpoint {
            flags: Endpoint::ISOLATED | Endpoint::DENY_ALL,
            ..pod()
        };
        assert!(!denies(&tables(), &held, &from));
    }

    #[test]
    fn what_goes_to_services_and_to_the_own_node_is_deferred() {
        let deferred = |to| {
            let tuple = |source, destination| Tuple {
                source,
                destination,
                ports: Ports::Pair(1, 2),
            };
            let entry = Entry {
                protocol: number::TCP,
                original: tuple(ip("10.0.0.1"), ip(to)),
                reply: tuple(ip("10.0.0.3"), ip("10.0.0.1")),
                state: State::Open,
            };
            defers(&tables(), &pod(), &entry)
        };
        assert!(deferred("10.96.0.10") && deferred("192.0.2.1"));
        assert!(!deferred("192.0.2.2") && !deferred("203.0.113.1"));
    }

    #[test]
    fn a_pod_is_asked_about_when_its_policy_may_deny_more() {
        let now = pod();
        assert!(may_deny_more(None, &now));
        assert!(!may_deny_more(Some(&now), &now));
        let later = Endpoint {
            revisions: [0, 2],
            ..now
        };
        assert!(may_deny_more(Some(&now), &later));
        let towards = Endpoint {
            revisions: [2, 0],
            ..now
        };
        assert!(!may_deny_more(Some(&now), &towards), "what others open");
        let reborn = Endpoint { id: 2, ..now };
        assert!(may_deny_more(Some(&now), &reborn));
        let held = Endpoint {
            flags: Endpoint::ISOLATED | Endpoint::DENY_ALL,
            ..now
        };
        assert!(may_deny_more(Some(&held), &now));
        assert!(!may_deny_more(Some(&now), &held), "nothing passes");
        let free = Endpoint {
            sets: [0, 0],
            ..now
        };
        assert!(!may_deny_more(None, &free));
    }
}
