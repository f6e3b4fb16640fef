//! Counting what a question meets: the policies are taken apart into policies of one peer and one
//! port, and the oracle is asked about each.

use enforcer_policy::oracle::{Answer, Objects, Part, Question, Side};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Coverage, Feature};

/// One peer and one port of one rule; `None` where the rule has none.
struct Piece<'a> {
    egress: bool,
    peer: Option<&'a NetworkPolicyPeer>,
    port: Option<&'a NetworkPolicyPort>,
}

/// Counts what a question and its answer show. Asks the oracle once for each peer and port of the
/// policies: too slow for every question of a large test.
pub fn observe(coverage: &mut Coverage, objects: &Objects, question: &Question, answer: &Answer) {
    coverage.hit(if answer.allowed() {
        Feature::Allow
    } else {
        Feature::Deny
    });
    observe_part(coverage, &answer.egress);
    observe_part(coverage, &answer.ingress);
    let mut alone = Objects {
        policies: Vec::new(),
        ..objects.clone()
    };
    for policy in &objects.policies {
        for piece in pieces(policy) {
            observe_piece(coverage, &mut alone, policy, &piece, question);
        }
    }
}

fn observe_part(coverage: &mut Coverage, part: &Part) {
    match part {
        Part::NotApplicable => coverage.hit(Feature::NotApplicable),
        Part::OwnPod => coverage.hit(Feature::OwnPod),
        Part::OwnNode => coverage.hit(Feature::OwnNode),
        Part::NotIsolated => coverage.hit(Feature::NotIsolated),
        Part::Allowed { by } if by.len() > 1 => coverage.hit(Feature::SeveralAllow),
        Part::Allowed { .. } | Part::Denied { .. } => {}
    }
}

fn pieces(policy: &NetworkPolicy) -> Vec<Piece<'_>> {
    let Some(spec) = &policy.spec else {
        return Vec::new();
    };
    let ingress = spec.ingress.iter().flatten();
    let ingress = ingress.map(|rule| (false, &rule.from, &rule.ports));
    let egress = spec.egress.iter().flatten();
    let egress = egress.map(|rule| (true, &rule.to, &rule.ports));
    let mut pieces = Vec::new();
    for (egress, peers, ports) in ingress.chain(egress) {
        for peer in each(peers.as_deref()) {
            for port in each(ports.as_deref()) {
                pieces.push(Piece { egress, peer, port });
            }
        }
    }
    pieces
}

/// Every element, or once `None` when there is none.
fn each<T>(list: Option<&[T]>) -> Vec<Option<&T>> {
    match list.unwrap_or_default() {
        [] => vec![None],
        list => list.iter().map(Some).collect(),
    }
}

fn observe_piece(
    coverage: &mut Coverage,
    alone: &mut Objects,
    policy: &NetworkPolicy,
    piece: &Piece<'_>,
    question: &Question,
) {
    if allowed_by(alone, policy, piece, question) {
        if is_v6(&question.from) || is_v6(&question.to) {
            coverage.hit(Feature::Ipv6);
        }
        observe_peer(coverage, alone, piece, question);
        observe_port(coverage, piece.port, question);
    } else if let Some(block) = piece.peer.and_then(|peer| peer.ip_block.as_ref())
        && block.except.is_some()
    {
        let mut whole = piece.peer.cloned().unwrap_or_default();
        whole.ip_block = Some(k8s_openapi::api::networking::v1::IPBlock {
            except: None,
            ..block.clone()
        });
        let without_except = Piece {
            peer: Some(&whole),
            ..*piece
        };
        if allowed_by(alone, policy, &without_except, question) {
            coverage.hit(Feature::Except);
        }
    }
}

fn allowed_by(
    alone: &mut Objects,
    policy: &NetworkPolicy,
    piece: &Piece<'_>,
    question: &Question,
) -> bool {
    let mut single = policy.clone();
    let spec = single.spec.get_or_insert_default();
    let peers = piece.peer.map(|peer| vec![peer.clone()]);
    let ports = piece.port.map(|port| vec![port.clone()]);
    if piece.egress {
        spec.ingress = None;
        spec.egress = Some(vec![NetworkPolicyEgressRule { to: peers, ports }]);
    } else {
        spec.egress = None;
        spec.ingress = Some(vec![NetworkPolicyIngressRule { from: peers, ports }]);
    }
    alone.policies = vec![single];
    alone.ask(question).is_ok_and(|answer| {
        let part = if piece.egress {
            answer.egress
        } else {
            answer.ingress
        };
        matches!(part, Part::Allowed { .. })
    })
}

fn observe_peer(coverage: &mut Coverage, alone: &Objects, piece: &Piece<'_>, question: &Question) {
    let Some(peer) = piece.peer else {
        return coverage.hit(Feature::AnyPeer);
    };
    if peer.ip_block.is_some() {
        let side = if piece.egress {
            &question.to
        } else {
            &question.from
        };
        return coverage.hit(block_feature(alone, side));
    }
    coverage.hit(match (&peer.namespace_selector, &peer.pod_selector) {
        (None, _) => Feature::PodSelector,
        (Some(_), None) => Feature::NamespaceSelector,
        (Some(_), Some(_)) => Feature::BothSelectors,
    });
    for selector in [&peer.namespace_selector, &peer.pod_selector]
        .into_iter()
        .flatten()
    {
        observe_selector(coverage, selector);
    }
}

/// Whom an ipBlock met, as the address says.
fn block_feature(objects: &Objects, side: &Side) -> Feature {
    let Side::Address(address) = side else {
        return Feature::BlockOfPod;
    };
    let address = address.to_string();
    let is_node = objects
        .nodes
        .iter()
        .filter_map(|node| node.status.as_ref())
        .flat_map(|status| status.addresses.iter().flatten())
        .any(|entry| entry.address == address);
    let is_pod = objects
        .pods
        .iter()
        .filter_map(|pod| pod.status.as_ref())
        .flat_map(|status| status.pod_ips.iter().flatten())
        .any(|entry| entry.ip == address);
    match (is_node, is_pod) {
        (true, _) => Feature::BlockOfNode,
        (false, true) => Feature::BlockOfPod,
        (false, false) => Feature::BlockOfOutside,
    }
}

fn observe_selector(coverage: &mut Coverage, selector: &LabelSelector) {
    if selector.match_labels.iter().flatten().next().is_some() {
        coverage.hit(Feature::MatchLabels);
    }
    for expression in selector.match_expressions.iter().flatten() {
        coverage.hit(match expression.operator.as_str() {
            "In" => Feature::In,
            "NotIn" => Feature::NotIn,
            "Exists" => Feature::Exists,
            _ => Feature::DoesNotExist,
        });
    }
}

fn observe_port(coverage: &mut Coverage, port: Option<&NetworkPolicyPort>, question: &Question) {
    let Some(port) = port else {
        coverage.hit(Feature::AnyPort);
        if ![6, 17, 132].contains(&question.protocol) {
            coverage.hit(Feature::ProtocolWithoutPorts);
        }
        return;
    };
    coverage.hit(match (&port.port, port.end_port) {
        (None, _) => Feature::AllPortsOfProtocol,
        (Some(IntOrString::String(_)), _) => Feature::PortName,
        (Some(IntOrString::Int(_)), None) => Feature::PortNumber,
        (Some(IntOrString::Int(_)), Some(_)) => Feature::PortRange,
    });
    coverage.hit(match question.protocol {
        6 => Feature::Tcp,
        17 => Feature::Udp,
        _ => Feature::Sctp,
    });
}

fn is_v6(side: &Side) -> bool {
    matches!(side, Side::Address(address) if address.is_ipv6())
}
