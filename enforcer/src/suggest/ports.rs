//! Ports, by name where all pods of a workload call them so.

use std::collections::BTreeSet;
use std::fmt;

use enforcer_policy::intern::Name;
use enforcer_policy::model::Pod;
use enforcer_policy::rule::Protocol;

/// A port of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Its protocol.
    pub protocol: Protocol,
    /// Which one.
    pub port: PortName,
}

/// Which port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortName {
    /// By number.
    Number(u16),
    /// By the name that its pods give it.
    Name(Name),
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

/// What all of `pods` call a port, and no other port: the first such name.
pub(super) fn name_of(pods: &[&Pod], protocol: Protocol, number: u16) -> Option<Name> {
    let means = |pod: &Pod, name: &Name| {
        let named = pod.ports.iter();
        let named = named.filter(|port| port.name == *name && port.protocol == protocol);
        let numbers: BTreeSet<u16> = named.map(|port| port.port).collect();
        numbers == BTreeSet::from([number])
    };
    let first = pods.first()?;
    let names: BTreeSet<&Name> = first.ports.iter().map(|port| &port.name).collect();
    let mut names = names.into_iter();
    names
        .find(|name| pods.iter().all(|pod| means(pod, name)))
        .cloned()
}
