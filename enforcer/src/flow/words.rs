//! What policies say of a connection, with the names that records share.

use std::collections::HashMap;
use std::sync::Arc;

use enforcer_common::abi::Direction;
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::{Explainer, Explanation, PeerSide};
use enforcer_policy::model::PodKey;
use enforcer_policy::rule::PolicyKey;

use super::record::Names;

/// A connection explained.
#[derive(Debug)]
pub struct Explained {
    /// By which rules.
    pub explanation: Explanation,
    /// The names of the policies that isolate the endpoint.
    pub policies: Names,
}

/// Explains, and remembers what does not depend on the connection.
#[derive(Debug, Default)]
pub struct Words {
    explainer: Explainer,
    /// By where the policies' list is, which stays there as long as it is held here: thousands of
    /// records name the same policies.
    names: HashMap<usize, (Arc<[PolicyKey]>, Names)>,
}

impl Words {
    /// Why `pod` may or may not have this connection; see [`Explainer::explain`].
    pub fn explain(
        &mut self,
        compiler: &Compiler,
        pod: &PodKey,
        direction: Direction,
        peer: &PeerSide,
        protocol: u8,
        port: u16,
    ) -> Explained {
        let explainer = &mut self.explainer;
        let explanation = explainer.explain(compiler, pod, direction, peer, protocol, port);
        Explained {
            policies: self.names_of(&explanation.isolating),
            explanation,
        }
    }

    /// Forgets names of lists that nobody else knows any more.
    fn forget(&mut self) {
        self.names
            .retain(|_, (policies, _)| Arc::strong_count(policies) > 1);
    }

    fn names_of(&mut self, policies: &Arc<[PolicyKey]>) -> Names {
        if policies.is_empty() {
            return Names::default();
        }
        let place = policies.as_ptr() as usize;
        if let Some((_, known)) = self.names.get(&place) {
            return known.clone();
        }
        self.forget();
        let names: Names = policies.iter().map(ToString::to_string).collect();
        let kept = (Arc::clone(policies), names.clone());
        self.names.insert(place, kept);
        names
    }
}
