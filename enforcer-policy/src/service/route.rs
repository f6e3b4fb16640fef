//! To whom kube-proxy sends a connection.

use super::{Backend, Frontend, Via, endpoints};
use crate::model::{Cluster, Family, TrafficPolicy};

/// What becomes of a connection to a service that a pod of the cluster makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it may go: one of these, by chance, or the same again where the service has session
    /// affinity.
    pub backends: Vec<Backend>,
    /// The node puts its own address in the place of the sender's, so that this is what ingress
    /// policies see. A connection of a pod to itself always is masqueraded.
    pub masqueraded: bool,
    /// What the proxy does when there are no backends.
    pub without: NoBackend,
}

/// What kube-proxy does with a connection for which it has no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoBackend {
    /// It refuses it: the service has no endpoints at all.
    Rejects,
    /// It drops it: there are endpoints, but none on this node.
    Drops,
}

/// The route of a connection from a pod of `node`.
///
/// Ready endpoints take it; where there are none at all, those that are ending but still serve. Of a
/// service with the internal traffic policy `Local`, only those of the node. (The external policy
/// `Local` is not for pods: kube-proxy sends them anywhere.)
pub fn route(cluster: &Cluster, to: &Frontend<'_>, family: Family, node: Option<&str>) -> Route {
    let all = endpoints(cluster, to.key, to.service, to.port, family);
    let inside = to.via == Via::ClusterIp;
    let local = inside && to.service.internal == TrafficPolicy::Local;
    let here = |one: &Backend| !local || (node.is_some() && one.node.as_deref() == node);
    let anywhere = all
        .iter()
        .any(|one| one.ready || (one.serving && one.terminating));
    Route {
        backends: usable(all.into_iter().filter(here).collect()),
        masqueraded: !inside && to.service.external == TrafficPolicy::Cluster,
        without: if anywhere {
            NoBackend::Drops
        } else {
            NoBackend::Rejects
        },
    }
}

fn usable(endpoints: Vec<Backend>) -> Vec<Backend> {
    let (ready, others): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(|one| one.ready);
    if !ready.is_empty() {
        return ready;
    }
    let ending = others.into_iter();
    ending
        .filter(|one| one.serving && one.terminating)
        .collect()
}
