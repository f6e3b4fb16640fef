//! Values that are texts in JSON, or maps of them.

use std::collections::BTreeMap;
use std::fmt;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{PodKey, ServiceKey, Workload};
use enforcer_policy::rule::{PolicyKey, PolicyKind};
use enforcer_policy::selector::Labels;
use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::record::{Protocol, TcpFlags, direction_name};

/// A value as its text.
pub(super) struct Text<T>(pub(super) T);

/// A value that has a text.
pub(super) trait Textual: Sized {
    /// What it is, for errors.
    const WHAT: &str;
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn read(text: &str) -> Option<Self>;
}

struct Shown<'a, T>(&'a T);

impl<T: Textual> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.print(f)
    }
}

impl<T: Textual> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Shown(&self.0))
    }
}

impl<'de, T: Textual> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format_args!("{text:?} is not {}", T::WHAT));
        T::read(&text).map(Self).ok_or_else(wrong)
    }
}

impl Textual for Timestamp {
    const WHAT: &str = "a time";

    /// Always with nine digits, so that texts sort as times do.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:.9}")
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Textual for Name {
    const WHAT: &str = "a name";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Textual for Workload {
    const WHAT: &str = "KIND/NAME";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// Both parts of `NAMESPACE/NAME`.
fn namespaced(text: &str) -> Option<(Name, Name)> {
    let (namespace, name) = text.split_once('/')?;
    Some((namespace.into(), name.into()))
}

impl Textual for PodKey {
    const WHAT: &str = "NAMESPACE/POD";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn read(text: &str) -> Option<Self> {
        let (namespace, name) = namespaced(text)?;
        Some(Self { namespace, name })
    }
}

impl Textual for ServiceKey {
    const WHAT: &str = "NAMESPACE/SERVICE";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn read(text: &str) -> Option<Self> {
        let (namespace, name) = namespaced(text)?;
        Some(Self { namespace, name })
    }
}

impl Textual for PolicyKey {
    const WHAT: &str = "a policy";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PolicyKind::NetworkPolicy => write!(f, "{self}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace.into()), name),
            None => (None, text),
        };
        Some(Self {
            kind: PolicyKind::NetworkPolicy,
            namespace,
            name: name.into(),
        })
    }
}

impl Textual for Reason {
    const WHAT: &str = "a reason that this version knows";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == text)
    }
}

impl Textual for Direction {
    const WHAT: &str = "ingress or egress";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(direction_name(*self))
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|one| direction_name(*one) == text)
    }
}

impl Textual for Protocol {
    const WHAT: &str = "a protocol";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Textual for TcpFlags {
    const WHAT: &str = "TCP flags";

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// Labels as a map.
#[derive(Default)]
pub(super) struct LabelMap(pub(super) Labels);

impl LabelMap {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for LabelMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter();
        serializer.collect_map(entries.map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

impl<'de> Deserialize<'de> for LabelMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self(entries.into_iter().collect()))
    }
}
