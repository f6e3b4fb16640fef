//! Expectations about connections to services.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use enforcer_policy::oracle::{BackendAnswer, ServiceAnswer, ServiceQuestion, Target};
use serde::Deserialize;

use super::check::{self, Bad, Shown, Verdict, bad};

/// A verdict as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Word {
    Allow,
    Deny,
    NoBackend,
}

/// A connection to a service and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCheck {
    /// The connection.
    pub question: ServiceQuestion,
    /// What must become of it.
    pub expected: Expected,
    /// A policy (`NAMESPACE/NAME`) that must be among those that decide about every backend.
    pub why: Option<String>,
}

/// What must become of a connection to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It has backends, and this verdict whichever it is sent to.
    All(Verdict),
    /// It has none.
    NoBackend,
    /// It has these, each with its verdict.
    Backends(BTreeMap<BackendName, Verdict>),
}

/// A backend as it is written: `NAMESPACE/POD` or an address, with its port where that matters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackendName {
    /// A pod, by namespace and name, or the text of an address.
    pub name: String,
    /// The port to which the connection is translated.
    pub port: Option<u16>,
}

impl BackendName {
    /// Whether it means a backend.
    pub fn means(&self, backend: &BackendAnswer) -> bool {
        let address = self.name.parse::<IpAddr>();
        let there = match address {
            Ok(address) => address == backend.address,
            Err(_) => backend.pod.as_ref() == Some(&self.name),
        };
        there && self.port.is_none_or(|port| port == backend.port)
    }
}

impl From<Word> for Expected {
    fn from(word: Word) -> Self {
        match word {
            Word::Allow => Self::All(Verdict::Allow),
            Word::Deny => Self::All(Verdict::Deny),
            Word::NoBackend => Self::NoBackend,
        }
    }
}

impl ServiceCheck {
    /// The verdict that a connection to one backend must have; none when it must not be a backend.
    pub fn verdict_of(&self, backend: &BackendAnswer) -> Option<Verdict> {
        match &self.expected {
            Expected::All(verdict) => Some(*verdict),
            Expected::NoBackend => None,
            Expected::Backends(backends) => {
                let mut named = backends.iter();
                named
                    .find(|(name, _)| name.means(backend))
                    .map(|(_, verdict)| *verdict)
            }
        }
    }

    /// Whether an answer is the expected one, the policy included.
    pub fn holds_for(&self, answer: &ServiceAnswer) -> bool {
        let count = match &self.expected {
            Expected::All(_) => answer.backends.len().max(1),
            Expected::NoBackend => 0,
            Expected::Backends(backends) => backends.len(),
        };
        answer.backends.len() == count && answer.backends.iter().all(|one| self.holds_at(one))
    }

    fn holds_at(&self, backend: &BackendAnswer) -> bool {
        let Some(verdict) = self.verdict_of(backend) else {
            return false;
        };
        let mentions = |why: &String| check::mentions(&backend.answer, verdict, why);
        backend.answer.allowed() == (verdict == Verdict::Allow)
            && self.why.as_ref().is_none_or(mentions)
    }
}

impl fmt::Display for ServiceCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServiceQuestion {
            from,
            to,
            protocol,
            port,
        } = &self.question;
        write!(f, "{} → ", Shown(from))?;
        match to {
            Target::Name(namespace, name) => write!(f, "svc/{namespace}/{name}")?,
            Target::Address(address) => write!(f, "{address}")?,
        }
        write!(f, " protocol {protocol} port {port}: {:?}", self.expected)
    }
}

/// The backends of an expectation, as they are written.
pub(super) fn backends(written: &BTreeMap<String, Verdict>) -> Result<Expected, Bad> {
    let mut backends = BTreeMap::new();
    for (text, verdict) in written {
        let (name, port) = match text.split_once(' ') {
            None => (text.as_str(), None),
            Some((name, port)) => {
                let port = port.parse().map_err(|_| bad("not a port", text))?;
                (name, Some(port))
            }
        };
        if !name.contains('/') && name.parse::<IpAddr>().is_err() {
            return Err(bad("a backend is NAMESPACE/POD or an address", text));
        }
        let name = name.to_owned();
        backends.insert(BackendName { name, port }, *verdict);
    }
    if backends.is_empty() {
        return Err(bad("without backends the verdict is no-backend", "{}"));
    }
    Ok(Expected::Backends(backends))
}
