//! Counters of what a property test met: a run that never met something proves nothing about it.

mod observe;

use std::collections::BTreeMap;

pub use observe::observe;

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a test can meet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature { $($(#[$doc])* $name,)* }

        impl Feature {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

features! {
    /// A connection that can be made.
    Allow,
    /// A connection that cannot.
    Deny,
    /// No policy selects the pod.
    NotIsolated,
    /// An end to which policies cannot apply.
    NotApplicable,
    /// A pod and its own node.
    OwnNode,
    /// A pod and itself.
    OwnPod,
    /// More than one policy allows the same connection.
    SeveralAllow,
    /// A connection over IPv6 that a rule allows.
    Ipv6,
    /// A rule without peers matches.
    AnyPeer,
    /// A podSelector alone matches.
    PodSelector,
    /// A namespaceSelector alone matches.
    NamespaceSelector,
    /// Both together match.
    BothSelectors,
    /// An ipBlock matches a pod.
    BlockOfPod,
    /// An ipBlock matches a node.
    BlockOfNode,
    /// An ipBlock matches somebody outside.
    BlockOfOutside,
    /// An except is why an ipBlock does not match.
    Except,
    /// `matchLabels` of a peer that matches.
    MatchLabels,
    /// An `In` of a peer that matches.
    In,
    /// A `NotIn` of a peer that matches.
    NotIn,
    /// An `Exists` of a peer that matches.
    Exists,
    /// A `DoesNotExist` of a peer that matches.
    DoesNotExist,
    /// A rule without ports matches.
    AnyPort,
    /// A rule without ports matches a protocol that has none.
    ProtocolWithoutPorts,
    /// A port with a protocol only matches.
    AllPortsOfProtocol,
    /// A port number matches.
    PortNumber,
    /// A port name matches.
    PortName,
    /// A port range matches.
    PortRange,
    /// A port of TCP matches.
    Tcp,
    /// A port of UDP matches.
    Udp,
    /// A port of SCTP matches.
    Sctp,
}

/// The counters.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<Feature, u64>,
}

impl Coverage {
    /// All at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub fn hit(&mut self, feature: Feature) {
        *self.counts.entry(feature).or_default() += 1;
    }

    /// What another test met, too.
    pub fn add(&mut self, other: &Self) {
        for (feature, count) in &other.counts {
            *self.counts.entry(*feature).or_default() += count;
        }
    }

    /// How often it was met.
    pub fn count(&self, feature: Feature) -> u64 {
        self.counts.get(&feature).copied().unwrap_or_default()
    }

    /// What was never met.
    pub fn missing(&self) -> Vec<Feature> {
        let all = Feature::ALL.iter().copied();
        all.filter(|feature| self.count(*feature) == 0).collect()
    }

    /// Fails the test when anything was never met.
    ///
    /// # Panics
    /// That is how it fails.
    pub fn assert_all_hit(&self) {
        let missing = self.missing();
        assert!(missing.is_empty(), "never met: {missing:?} of {self:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "never met: [Sctp]")]
    fn one_feature_that_was_never_met_fails_the_test() {
        let mut coverage = Coverage::new();
        for feature in Feature::ALL.iter().filter(|f| **f != Feature::Sctp) {
            coverage.hit(*feature);
        }
        coverage.assert_all_hit();
    }
}
