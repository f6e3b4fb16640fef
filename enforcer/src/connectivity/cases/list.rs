//! All cases, in their order.

use super::Client::{Friend, Guest, Stranger};
use super::Port::{Admin, Dns, Extra, Kept, Service, Web};
use super::Server::{Blue, Green};
use super::{Case, Client, Expectation, Port, Server};

const EVERYBODY: &[Client] = &Client::ALL;
const OWN: &[Client] = &[Friend, Stranger];
const BOTH: &[Port] = &[Web, Dns];

const fn may(clients: &'static [Client], server: Server, ports: &'static [Port]) -> Expectation {
    Expectation {
        clients,
        allowed: true,
        server,
        ports,
    }
}

const fn may_not(
    clients: &'static [Client],
    server: Server,
    ports: &'static [Port],
) -> Expectation {
    Expectation {
        allowed: false,
        ..may(clients, server, ports)
    }
}

/// All cases, in their order; the first is [`Case::BASELINE`].
pub const CASES: &[Case] = &[
    Case {
        name: Case::BASELINE,
        about: "Without a policy everything passes.",
        policies: "",
        expectations: &[
            may(EVERYBODY, Blue, &[Web, Admin, Extra, Dns]),
            may(EVERYBODY, Green, BOTH),
        ],
    },
    Case {
        name: "deny-ingress",
        about: "A policy that allows no ingress isolates the pods of its namespace, and only their ingress.",
        policies: include_str!("deny-ingress.yaml"),
        expectations: &[may_not(EVERYBODY, Blue, BOTH), may(EVERYBODY, Green, BOTH)],
    },
    Case {
        name: "deny-egress",
        about: "A policy that allows no egress isolates the pods of its namespace, and only their egress.",
        policies: include_str!("deny-egress.yaml"),
        expectations: &[
            may_not(OWN, Blue, BOTH),
            may_not(OWN, Green, BOTH),
            may(&[Guest], Blue, BOTH),
        ],
    },
    Case {
        name: "pod-selector",
        about: "A podSelector allows pods of the policy's own namespace by their labels.",
        policies: include_str!("pod-selector.yaml"),
        expectations: &[
            may(&[Friend], Blue, BOTH),
            may_not(&[Stranger, Guest], Blue, BOTH),
        ],
    },
    Case {
        name: "namespace-selector",
        about: "A namespaceSelector allows all pods of another namespace.",
        policies: include_str!("namespace-selector.yaml"),
        expectations: &[may(&[Guest], Blue, BOTH), may_not(OWN, Blue, BOTH)],
    },
    Case {
        name: "ip-block",
        about: "An ipBlock allows all addresses but those of its except.",
        policies: include_str!("ip-block.yaml"),
        expectations: &[
            may(&[Friend, Guest], Blue, &[Web]),
            may_not(&[Stranger], Blue, &[Web]),
        ],
    },
    Case {
        name: "port-number",
        about: "A rule with a port number allows that port and protocol alone.",
        policies: include_str!("port-number.yaml"),
        expectations: &[
            may(EVERYBODY, Blue, &[Web]),
            may_not(EVERYBODY, Blue, &[Admin, Dns]),
        ],
    },
    Case {
        name: "named-port",
        about: "A rule with a port's name allows the port that the container calls so.",
        policies: include_str!("named-port.yaml"),
        expectations: &[
            may(EVERYBODY, Blue, &[Admin]),
            may_not(EVERYBODY, Blue, &[Web]),
        ],
    },
    Case {
        name: "port-range",
        about: "A rule with endPort allows all ports from one to the other.",
        policies: include_str!("port-range.yaml"),
        expectations: &[
            may(EVERYBODY, Blue, &[Admin, Extra]),
            may_not(EVERYBODY, Blue, &[Web]),
        ],
    },
    Case {
        name: "udp",
        about: "A rule for UDP allows no TCP.",
        policies: include_str!("udp.yaml"),
        expectations: &[
            may(EVERYBODY, Blue, &[Dns]),
            may_not(EVERYBODY, Blue, &[Web]),
        ],
    },
    Case {
        name: "egress-to-dns",
        about: "Egress to one UDP port alone (5353, where the test's servers answer) denies the rest.",
        policies: include_str!("egress-to-dns.yaml"),
        expectations: &[
            may(&[Friend], Blue, &[Dns]),
            may(&[Friend], Green, &[Dns]),
            may_not(&[Friend], Blue, &[Web]),
            may_not(&[Friend], Green, &[Web]),
            may(&[Stranger], Blue, &[Web]),
        ],
    },
    Case {
        name: "egress-to-pods",
        about: "Egress to pods of another namespace, by both selectors of one peer.",
        policies: include_str!("egress-to-pods.yaml"),
        expectations: &[
            may(&[Friend], Green, BOTH),
            may_not(&[Friend], Blue, BOTH),
            may(&[Stranger], Blue, &[Web]),
        ],
    },
    Case {
        name: "both-directions",
        about: "A connection needs the egress of the one and the ingress of the other.",
        policies: include_str!("both-directions.yaml"),
        expectations: &[
            may(&[Friend], Blue, &[Web]),
            may_not(&[Stranger], Blue, &[Web]),
            may_not(&[Guest], Blue, &[Web]),
        ],
    },
    Case {
        name: "established",
        about: "A connection that exists is cut when a policy comes that forbids it, and no other.",
        policies: include_str!("established.yaml"),
        expectations: &[
            may_not(&[Friend], Blue, &[Kept]),
            may(&[Friend], Green, &[Kept]),
        ],
    },
    Case {
        name: "service",
        about: "Egress by a service's address is decided by the pods behind it.",
        policies: include_str!("service.yaml"),
        expectations: &[
            may(&[Friend], Green, &[Service]),
            may_not(&[Friend], Blue, &[Service]),
            may(&[Stranger], Blue, &[Service]),
        ],
    },
];
