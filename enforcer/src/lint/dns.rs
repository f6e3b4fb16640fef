//! Pods that may not ask for names.

use std::collections::{BTreeMap, HashMap};

use enforcer_common::abi::Direction;
use enforcer_policy::rule::{
    Namespaces, Origin, PeerSelector, Peers, Policy, PortMatch, PortSpec, Ports, Protocol, Rule,
};
use enforcer_policy::selector::{LabelSelector, Requirement};

use super::{Finding, Scene, Subject};

const DNS: u16 = 53;

/// Egress is isolated, and no policy for the same pods lets them reach port 53. When nothing at all
/// is allowed to go out that may well be meant, and is only mentioned; so is DNS over UDP alone, which serves all
/// but long answers.
pub(super) fn egress_without_dns(scene: &Scene<'_>, subject: &Subject<'_>) -> Vec<Finding> {
    if !subject.isolates(Direction::Egress) {
        return Vec::new();
    }
    let allowed = scene.allowing.of(subject);
    let missing: Vec<_> = [(Protocol::Udp, allowed.udp), (Protocol::Tcp, allowed.tcp)]
        .into_iter()
        .filter(|(_, allowed)| !allowed)
        .map(|(protocol, _)| format!("{protocol} {DNS}"))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let field = ["spec.egress", "spec.policyTypes", "spec"]
        .into_iter()
        .find(|field| subject.at(field).is_some())
        .unwrap_or_default();
    let finding = Finding::warning(
        "no-dns",
        field,
        format!(
            "egress is isolated and no policy for these pods allows DNS ({})",
            missing.join(", ")
        ),
        "add an egress entry with ports UDP 53 and TCP 53, or another policy that has one",
    );
    if !allowed.anything || allowed.udp {
        vec![finding.info()]
    } else {
        vec![finding]
    }
}

/// What egress entries allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) anything: bool,
    pub(super) udp: bool,
    pub(super) tcp: bool,
}

impl Allowed {
    fn add(&mut self, more: Self) {
        self.anything |= more.anything;
        self.udp |= more.udp;
        self.tcp |= more.tcp;
    }

    pub(super) fn by(scene: &Scene<'_>, policy: &Policy) -> Self {
        let entries = policy
            .rules
            .iter()
            .filter(|rule| rule.direction == Direction::Egress && rule.origin != Origin::Isolation);
        let mut allowed = Self::default();
        for rule in entries {
            allowed.add(Self {
                anything: true,
                udp: allows(scene, rule, Protocol::Udp),
                tcp: allows(scene, rule, Protocol::Tcp),
            });
        }
        allowed
    }
}

/// What all policies with one selector allow.
type BySelector<'a> = BTreeMap<&'a LabelSelector, Allowed>;

/// What policies allow, by namespace and by the pods that they are for.
#[derive(Default)]
pub(super) struct Allowing<'a> {
    /// Filed under the requirement that the fewest selectors of the namespace have; without any,
    /// under none.
    namespaces: HashMap<&'a str, HashMap<Option<&'a Requirement>, BySelector<'a>>>,
}

impl<'a> Allowing<'a> {
    pub(super) fn new(scene: &Scene<'a>) -> Self {
        let policies = || {
            let policies = scene.policies.iter();
            policies.filter_map(|one| {
                let selector = &one.policy.rules.first()?.subject.pods;
                let namespace = one.written.key.namespace.as_deref().unwrap_or_default();
                Some((namespace, selector, one.policy))
            })
        };
        let mut counts: HashMap<(&str, &Requirement), usize> = HashMap::new();
        for (namespace, selector, _) in policies() {
            for requirement in &selector.requirements {
                *counts.entry((namespace, requirement)).or_default() += 1;
            }
        }
        let mut allowing = Self::default();
        for (namespace, selector, policy) in policies() {
            let rarest = selector.requirements.iter();
            let rarest = rarest.min_by_key(|one| counts.get(&(namespace, *one)));
            let filed = allowing.namespaces.entry(namespace).or_default();
            let same = filed.entry(rarest).or_default();
            let allowed = same.entry(selector).or_default();
            allowed.add(Allowed::by(scene, policy));
        }
        allowing
    }

    /// What the policies of its namespace allow that select every pod that `subject` selects,
    /// whatever pods there are: those that require nothing that it does not.
    pub(super) fn of(&self, subject: &Subject<'_>) -> Allowed {
        let mut allowed = Allowed::default();
        let (Some(narrow), Some(filed)) =
            (subject.selector(), self.namespaces.get(subject.namespace()))
        else {
            return allowed;
        };
        let requirements = narrow.requirements.iter();
        for place in requirements.map(Some).chain([None]) {
            for (wide, more) in filed.get(&place).into_iter().flatten() {
                let mut wanted = wide.requirements.iter();
                if wanted.all(|one| narrow.requirements.contains(one)) {
                    allowed.add(*more);
                }
            }
        }
        allowed
    }
}

fn allows(scene: &Scene<'_>, rule: &Rule, protocol: Protocol) -> bool {
    match &rule.ports {
        Ports::Any => reaches_a_server(&rule.peers),
        Ports::Of(list) => list
            .iter()
            .any(|port| port.protocol == protocol && is_dns(scene, rule, port)),
    }
}

fn is_dns(scene: &Scene<'_>, rule: &Rule, port: &PortMatch) -> bool {
    match &port.port {
        PortSpec::All => reaches_a_server(&rule.peers),
        // A single port 53 is meant for DNS, whoever the peers are.
        PortSpec::Range(low, high) if low == high => *low == DNS,
        PortSpec::Range(low, high) => {
            (*low..=*high).contains(&DNS) && reaches_a_server(&rule.peers)
        }
        PortSpec::Named(name) => name.starts_with("dns") || scene.index.is_named(DNS, name),
    }
}

/// Whether a name server may be among the peers: pods of the policy's own namespace hardly are.
fn reaches_a_server(peers: &Peers) -> bool {
    match peers {
        Peers::Any => true,
        Peers::Of(list) => list.iter().any(|peer| match peer {
            PeerSelector::Block(_) => true,
            PeerSelector::Pods(pods) => match &pods.namespaces {
                Namespaces::Named(name) => name == "kube-system",
                Namespaces::Matching(_) => true,
            },
        }),
    }
}
