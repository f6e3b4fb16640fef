//! What a pod belongs to.

use std::fmt;

use crate::intern::Name;

/// The object that a pod is one copy of: the deployment of its replica set, the cron job of its job,
/// else its controller itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload(Name);

impl Workload {
    /// The workload of a kind (`Deployment`) with a name. No kind has a slash.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(format!("{kind}/{name}").into())
    }

    /// Takes `KIND/NAME` apart; `None` where a part is missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        (!kind.is_empty() && !name.is_empty()).then(|| Self(text.into()))
    }

    /// Its kind, such as `Deployment`.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// Its name, in the pod's namespace.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// `KIND/NAME`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_a_kind_and_a_name() {
        let workload = Workload::new("Deployment", "api");
        assert_eq!((workload.kind(), workload.name()), ("Deployment", "api"));
        assert_eq!(Workload::parse("Deployment/api"), Some(workload));
        for wrong in ["", "api", "/api", "Deployment/"] {
            assert_eq!(Workload::parse(wrong), None, "{wrong}");
        }
    }
}
