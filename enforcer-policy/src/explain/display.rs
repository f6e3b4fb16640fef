//! Reasons as sentences of one line, for the CLI.

use std::fmt::{self, Display, Formatter};

use enforcer_common::abi::Direction;

use super::{Explanation, Lack, Nearest, PeerIdentity, RuleRef};
use crate::intern::Name;
use crate::rule::{Origin, PortSpec, Protocol};
use crate::selector::{Requirement, Test};

impl Display for Requirement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::In(values) if values.len() == 1 => write!(f, "{key}={}", joined(values, ", ")),
            Test::In(values) => write!(f, "{key} in ({})", joined(values, ", ")),
            Test::NotIn(values) => write!(f, "{key} not in ({})", joined(values, ", ")),
            Test::Exists => write!(f, "a label {key}"),
            Test::DoesNotExist => write!(f, "no label {key}"),
        }
    }
}

impl Display for PortSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all ports"),
            Self::Range(first, last) if first == last => write!(f, "{first}"),
            Self::Range(first, last) => write!(f, "{first}–{last}"),
            Self::Named(name) => write!(f, "the port named {name}"),
        }
    }
}

impl Display for PeerIdentity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(key) => write!(f, "pod {key}"),
            Self::Node(name) => write!(f, "node {name}"),
            Self::Outside => f.write_str("outside the cluster"),
        }
    }
}

impl RuleRef {
    /// Where in the policy it stands: `ingress[0]`, `egress isolation`.
    pub fn place(&self) -> String {
        let direction = match self.direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        match self.origin {
            Origin::Entry(index) => format!("{direction}[{index}]"),
            Origin::Isolation => format!("{direction} isolation"),
        }
    }
}

impl Display for RuleRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.policy, self.place())
    }
}

impl Display for Lack {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPod(peer) => write!(f, "peer is {peer}, rule wants a pod"),
            Self::Namespace { found, wanted } => {
                write!(f, "peer is in namespace {found}, rule wants {wanted}")
            }
            Self::NamespaceLabel {
                namespace,
                found,
                wanted,
            } => {
                write!(f, "peer's namespace {namespace} has ")?;
                label(f, found.as_ref(), wanted)
            }
            Self::PodLabel { found, wanted } => {
                f.write_str("peer has ")?;
                label(f, found.as_ref(), wanted)
            }
            Self::NoAddress(cidr) => write!(f, "peer has no address, rule wants one in {cidr}"),
            Self::NotInBlock(address, cidr) => write!(f, "{address} is not in {cidr}"),
            Self::InExcept {
                address,
                except,
                cidr,
            } => write!(f, "{address} is in the except {except} of {cidr}"),
            Self::Protocol { found, wanted } => {
                let wanted = joined(wanted, " or ");
                let found = ProtocolName(*found);
                write!(f, "protocol {found} given, rule is for {wanted}")
            }
            Self::Port { found, wanted } => {
                let wanted = joined(wanted, " or ");
                write!(f, "port {found} given, rule allows {wanted}")
            }
            Self::NoSuchPort {
                name,
                protocol,
                destination: Some(pod),
            } => write!(f, "pod {pod} defines no {protocol} port named {name}"),
            Self::NoSuchPort {
                name,
                protocol,
                destination: None,
            } => write!(
                f,
                "rule allows the {protocol} port named {name}, and only pods name ports"
            ),
            Self::NamedPort { found, name, means } => {
                let means = joined(means, " or ");
                write!(
                    f,
                    "port {found} given, rule allows {name}, which is {means}"
                )
            }
        }
    }
}

impl Display for Nearest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, joined(&self.lacks, "; "))
    }
}

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(rule) = &self.allowed_by {
            return write!(f, "allowed by {rule}");
        }
        if self.denied_by.is_none() {
            return f.write_str("allowed: no policy says otherwise");
        }
        write!(f, "denied by {}", joined(self.isolating.iter(), ", "))?;
        match &self.nearest {
            Some(nearest) => write!(f, "; nearest is {nearest}"),
            None => f.write_str("; no rule allows anything"),
        }
    }
}

/// What a label is, and what was wanted of it.
fn label(f: &mut Formatter<'_>, found: Option<&Name>, wanted: &Requirement) -> fmt::Result {
    match found {
        Some(value) => write!(f, "{}={value}", wanted.key)?,
        None => write!(f, "no label {}", wanted.key)?,
    }
    write!(f, ", rule wants {wanted}")
}

struct ProtocolName(u8);

impl Display for ProtocolName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let known = Protocol::ALL.into_iter().find(|p| p.number() == self.0);
        match (known, self.0) {
            (Some(protocol), _) => protocol.fmt(f),
            (None, 1) => f.write_str("ICMP"),
            (None, 58) => f.write_str("ICMPv6"),
            (None, number) => number.fmt(f),
        }
    }
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>, separator: &str) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(separator)
}
