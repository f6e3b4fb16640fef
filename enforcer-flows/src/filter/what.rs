//! By what records are filtered.

use std::fmt;

/// By what records are filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The namespace of a pod or service.
    Namespace,
    /// A pod.
    Pod,
    /// What a pod belongs to.
    Workload,
    /// A pod's labels.
    Label,
    /// A service whose address has not been translated yet.
    Service,
    /// An address.
    Ip,
    /// A port.
    Port,
    /// The number of a class of addresses.
    Identity,
    /// The node that reports; with a side, the node of that side.
    Node,
    /// The protocol.
    Protocol,
    /// What became of the packet.
    Verdict,
    /// What happened.
    Kind,
    /// Why.
    Reason,
    /// A policy that isolates the pod, or whose rule allowed the flow.
    Policy,
    /// Whose policy was asked.
    Direction,
}

impl What {
    /// All of them, in the order of their names' importance.
    pub const ALL: [Self; 15] = [
        Self::Namespace,
        Self::Pod,
        Self::Workload,
        Self::Label,
        Self::Service,
        Self::Ip,
        Self::Port,
        Self::Identity,
        Self::Node,
        Self::Protocol,
        Self::Verdict,
        Self::Kind,
        Self::Reason,
        Self::Policy,
        Self::Direction,
    ];

    /// The name in the text of a term, and of the option of `enforcer flows`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::Workload => "workload",
            Self::Label => "label",
            Self::Service => "service",
            Self::Ip => "ip",
            Self::Port => "port",
            Self::Identity => "identity",
            Self::Node => "node",
            Self::Protocol => "protocol",
            Self::Verdict => "verdict",
            Self::Kind => "kind",
            Self::Reason => "reason",
            Self::Policy => "policy",
            Self::Direction => "direction",
        }
    }

    /// Whether it is asked of a side rather than of the whole flow.
    pub const fn has_sides(self) -> bool {
        !matches!(
            self,
            Self::Protocol
                | Self::Verdict
                | Self::Kind
                | Self::Reason
                | Self::Policy
                | Self::Direction
        )
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }

    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
