//! What is found: the JSON of `enforcer trace --cut`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::trace::{Nearest, RuleName};

/// What a change would do to the connections of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The connections that are allowed now and would be denied, by protocol, client and server.
    pub cut: Vec<Cut>,
    /// How many connections would go on.
    pub kept: usize,
    /// What one should know about the lists.
    pub notes: Vec<String>,
}

/// A connection that would be cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6` or `IP protocol N`.
    pub protocol: String,
    /// Who opened it.
    pub client: Side,
    /// To whom.
    pub server: Side,
    /// Seconds since its last packet, exact to about a second; null where nobody knows.
    pub idle_seconds: Option<u32>,
    /// The ends that would deny it: one or two.
    pub denied_at: Vec<End>,
}

/// One side of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Who it is now: `pod NAMESPACE/NAME`, `node NAME` or `outside the cluster`.
    pub who: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port; null where the protocol has none.
    pub port: Option<u16>,
}

/// An end that would deny a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The pod whose policies are asked, `NAMESPACE/NAME`.
    pub pod: String,
    /// `egress` at the client's end, `ingress` at the server's.
    pub direction: String,
    /// Why it is allowed now.
    pub now: State,
    /// Why it would be denied.
    pub then: State,
}

/// What an end says, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The name of an [`enforcer_common::Reason`].
    pub reason: String,
    /// The policies that isolate the pod in this direction, `NAMESPACE/NAME`, sorted.
    pub isolated_by: Vec<String>,
    /// The rule that allows it.
    pub allowed_by: Option<RuleName>,
    /// For a denial the rule that came nearest.
    pub nearest: Option<Nearest>,
}
