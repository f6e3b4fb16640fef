//! Why a packet passed or was dropped.

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Let through (`TC_ACT_UNSPEC`: other programs on the hook still run).
    Pass,
    /// Dropped (`TC_ACT_SHOT`).
    Drop,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $action:ident, $text:literal;)*) => {
        /// Why a packet passed or was dropped: an index into `COUNTERS` and part of every event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $name = $number,)* }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What becomes of the packet.
            #[inline(always)]
            pub const fn action(self) -> Action {
                match self { $(Self::$name => Action::$action,)* }
            }

            /// The name in metrics, JSON and logs: stable, lower case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The reason with this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// No policy isolates the endpoint in this direction.
    NotIsolated = 0, Pass, "not-isolated";
    /// Belongs to a tracked flow of the current revision.
    Established = 1, Pass, "established";
    /// A new flow, or an old one judged again, that a rule allows.
    Allowed = 2, Pass, "allowed";
    /// Between a pod and its own node.
    OwnNode = 3, Pass, "own-node";
    /// From a pod to itself.
    OwnPod = 4, Pass, "own-pod";
    /// ARP, neighbour discovery or multicast listener discovery.
    Neighbour = 5, Pass, "neighbour";
    /// An ICMP error about a tracked flow.
    RelatedError = 6, Pass, "related-error";
    /// The endpoint is pending and `--pending allow` lets it pass.
    PendingAllowed = 7, Pass, "pending-allowed";
    /// Would have been dropped by policy, but the endpoint is in audit mode.
    AuditDenied = 8, Pass, "audit-denied";
    /// No rule of the policies that isolate the endpoint allows it.
    PolicyDenied = 9, Drop, "policy-denied";
    /// Belongs to a tracked flow that policy does not allow any more.
    Revoked = 10, Drop, "revoked";
    /// Source address (IP, ARP sender or ND target) that is not the pod's.
    Spoofed = 11, Drop, "spoofed";
    /// A header is cut off or contradicts itself.
    Malformed = 12, Drop, "malformed";
    /// An ethertype that cannot be judged.
    UnknownEthertype = 13, Drop, "unknown-ethertype";
    /// A VLAN tag, in the frame or beside it.
    VlanTagged = 14, Drop, "vlan-tagged";
    /// A later fragment whose first fragment was not seen.
    FragmentUnknown = 15, Drop, "fragment-without-first";
    /// A fragment made to hide or overwrite a transport header (RFC 1858, RFC 3128).
    FragmentEvasive = 16, Drop, "evasive-fragment";
    /// More IPv6 extension headers or IPv4 options than are walked.
    ExtensionHeaders = 17, Drop, "too-many-headers";
    /// An IPv6 routing header with segments left, or an IPv4 source route: the destination is not
    /// where the packet goes.
    SourceRouted = 18, Drop, "source-routed";
    /// The endpoint is pending and `--pending deny` holds it.
    PendingDenied = 19, Drop, "pending-denied";
    /// The link has a program but no endpoint.
    NoEndpoint = 20, Drop, "no-endpoint";
    /// The endpoint's policy does not fit into the maps: it falls to deny.
    DoesNotFit = 21, Drop, "policy-does-not-fit";
    /// To a service: decided where the real destination is known.
    Deferred = 22, Pass, "deferred";
    /// Its sender's policy was left to be decided on the way, and the sender is not known any more.
    Undecided = 23, Drop, "undecided";
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();
}
