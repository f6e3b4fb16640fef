//! What users see of a flow event; also its JSON form.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use enforcer_common::Reason;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What became of the packet.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A new connection was allowed.
    Allowed,
    /// A packet was dropped.
    #[value(alias = "deny", alias = "dropped")]
    Denied,
    /// A packet would have been dropped; the daemon is in audit mode.
    Audit,
}

/// One side of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Its address; absent for frames without one.
    pub address: Option<IpAddr>,
    /// Its port; absent for protocols without ports.
    pub port: Option<u16>,
    /// `namespace/name` of the pod with the address.
    pub pod: Option<String>,
    /// Name of the node with the address.
    pub node: Option<String>,
    /// `namespace/name` of the service with the address: the packet has not been translated yet.
    #[serde(default)]
    pub service: Option<String>,
}

/// Names that many records share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Arc<[String]>);

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When the daemon read it, RFC 3339 in UTC.
    pub time: String,
    /// What became of the packet.
    pub verdict: Verdict,
    /// Why: a name of `enforcer_common::Reason`.
    pub reason: String,
    /// `ingress` or `egress`, seen from `endpoint`: whose policy was asked.
    pub direction: String,
    /// `namespace/name` of the pod at whose link it was seen; absent while that is unknown.
    pub endpoint: Option<String>,
    /// Where it came from.
    pub source: Party,
    /// Where it went.
    pub destination: Party,
    /// Name or number of the protocol; the ethertype for frames other than IP.
    pub protocol: String,
    /// Policies that isolate the endpoint in this direction, `namespace/name`.
    pub policies: Names,
    /// The rule that allowed it: policy and field.
    pub allowed_by: Option<String>,
    /// For a denial by policy: the rule that came nearest, and what it lacked.
    pub hint: Option<String>,
    /// Length of the packet in bytes.
    pub length: u32,
}

impl Deref for Names {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Names {
    fn eq(&self, names: &[&str; N]) -> bool {
        *self.0 == names[..]
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(f, "service ")?;
            return self.fmt_named(Some(service), f);
        }
        self.fmt_named(self.pod.as_deref().or(self.node.as_deref()), f)
    }
}

impl Party {
    fn fmt_named(&self, name: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (name, self.address) {
            (Some(name), Some(address)) => write!(f, "{name} ({address}")?,
            (None, Some(address)) => write!(f, "({address}")?,
            (_, None) => return f.write_str("?"),
        }
        match self.port {
            Some(port) => write!(f, " port {port})"),
            None => f.write_str(")"),
        }
    }
}

/// One line, and a second one where there is more to say.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allowed => "ALLOWED",
            Verdict::Denied => "DENIED",
            Verdict::Audit => "AUDIT",
        };
        write!(
            f,
            "{} {verdict:<7} {} {} → {}",
            self.time, self.protocol, self.source, self.destination
        )?;
        write!(f, "  {} {}", self.direction, self.reason)?;
        if self.reason == Reason::Deferred.name() {
            write!(f, " until the service's backend is known")?;
        }
        if let Some(rule) = &self.allowed_by {
            write!(f, ", by {rule}")?;
        } else if !self.policies.is_empty() {
            write!(f, ", isolated by {}", self.policies.join(", "))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n    nearest rule: {hint}")?;
        }
        Ok(())
    }
}
