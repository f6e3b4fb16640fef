//! `from` and `to`.

use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicyPeer};

use super::label_selector::label_selector;
use crate::api::syntax;
use crate::invalid::{Invalid, Problem};
use crate::rule::{IpBlock, Namespaces, PeerSelector, Peers, PodSelector};
use crate::selector::LabelSelector;

/// The peers at `path` of a policy in `namespace`; a missing or empty list means everybody.
pub(super) fn peers(
    list: Option<&[NetworkPolicyPeer]>,
    namespace: &str,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Peers {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        return Peers::Any;
    }
    let entries = list.iter().enumerate();
    let selectors = entries
        .filter_map(|(index, entry)| peer(entry, namespace, &format!("{path}[{index}]"), invalid));
    Peers::Of(selectors.collect())
}

fn peer(
    entry: &NetworkPolicyPeer,
    namespace: &str,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Option<PeerSelector> {
    let pods = entry
        .pod_selector
        .as_ref()
        .map(|selector| label_selector(selector, &format!("{path}.podSelector"), invalid));
    let namespaces = entry
        .namespace_selector
        .as_ref()
        .map(|selector| label_selector(selector, &format!("{path}.namespaceSelector"), invalid));
    let selector = pod_selector(pods, namespaces, namespace);
    let block = entry
        .ip_block
        .as_ref()
        .map(|block| ip_block(block, &format!("{path}.ipBlock"), invalid));
    match (selector, block) {
        (Some(selector), None) => Some(PeerSelector::Pods(selector)),
        (None, Some(block)) => block.map(PeerSelector::Block),
        (Some(_), Some(_)) => {
            invalid.push(Invalid::new(path, Problem::MixedPeer));
            None
        }
        (None, None) => {
            invalid.push(Invalid::new(path, Problem::EmptyPeer));
            None
        }
    }
}

/// A pod selector alone means the policy's own namespace; a namespace selector alone means all pods
/// of the namespaces; both together must both hold.
fn pod_selector(
    pods: Option<LabelSelector>,
    namespaces: Option<LabelSelector>,
    own: &str,
) -> Option<PodSelector> {
    let namespaces = match (namespaces, &pods) {
        (Some(selector), _) => Namespaces::Matching(selector),
        (None, Some(_)) => Namespaces::Named(own.into()),
        (None, None) => return None,
    };
    let pods = pods.unwrap_or_default();
    Some(PodSelector { namespaces, pods })
}

/// An except that shares no address with the cidr takes nothing away, and is left out. One that
/// takes all of it away would leave a peer that means nobody: refused, as the API server does.
fn ip_block(block: &IPBlock, path: &str, invalid: &mut Vec<Invalid>) -> Option<IpBlock> {
    let cidr = cidr(&block.cidr, &format!("{path}.cidr"), invalid);
    let mut except = Vec::new();
    for (index, text) in block.except.iter().flatten().enumerate() {
        let field = format!("{path}.except[{index}]");
        let (Some(hole), Some(outer)) = (self::cidr(text, &field, invalid), cidr) else {
            continue;
        };
        if outer != hole && outer.contains(&hole) {
            except.push(hole);
        } else if hole.contains(&outer) {
            let (except, cidr) = (text.clone(), block.cidr.clone());
            invalid.push(Invalid::new(field, Problem::ExceptCovers { except, cidr }));
        }
    }
    except.sort_unstable();
    except.dedup();
    cidr.map(|cidr| IpBlock { cidr, except })
}

fn cidr(text: &str, field: &str, invalid: &mut Vec<Invalid>) -> Option<IpNet> {
    let cidr = syntax::cidr(text);
    if cidr.is_none() {
        let problem = match text {
            "" => Problem::Missing,
            text => Problem::NotACidr(text.to_owned()),
        };
        invalid.push(Invalid::new(field, problem));
    }
    cidr
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (Peers, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let list: Option<Vec<NetworkPolicyPeer>> = serde_json::from_value(value).unwrap();
        let peers = peers(list.as_deref(), "shop", "from", &mut invalid);
        (peers, invalid)
    }

    fn one(value: &Value) -> PeerSelector {
        match read(json!([value])) {
            (Peers::Of(mut list), invalid) if invalid.is_empty() => list.remove(0),
            other => panic!("{value}: {other:?}"),
        }
    }

    fn pods(value: &Value) -> PodSelector {
        match one(value) {
            PeerSelector::Pods(selector) => selector,
            PeerSelector::Block(block) => panic!("{block:?}"),
        }
    }

    fn refused(value: Value) -> Vec<(String, &'static str)> {
        let found = read(value).1.into_iter();
        found.map(|one| (one.field, one.problem.code())).collect()
    }

    #[test]
    fn a_missing_or_empty_list_means_everybody() {
        assert_eq!(read(Value::Null), (Peers::Any, vec![]));
        assert_eq!(read(json!([])), (Peers::Any, vec![]));
    }

    #[test]
    fn a_pod_selector_alone_means_the_policys_namespace() {
        let selector = pods(&json!({"podSelector": {}}));
        assert_eq!(selector.namespaces, Namespaces::Named("shop".into()));
        assert!(selector.pods.is_everything());
    }

    #[test]
    fn a_namespace_selector_alone_means_all_pods_there() {
        let selector = pods(&json!({"namespaceSelector": {}}));
        assert_eq!(
            selector.namespaces,
            Namespaces::Matching(LabelSelector::default())
        );
        assert!(selector.pods.is_everything());
    }

    #[test]
    fn both_selectors_in_one_item_are_a_conjunction_and_two_items_are_two_peers() {
        let pod = json!({"matchLabels": {"a": "1"}});
        let namespace = json!({"matchLabels": {"b": "2"}});
        let both = pods(&json!({"podSelector": pod, "namespaceSelector": namespace}));
        assert!(matches!(both.namespaces, Namespaces::Matching(one) if !one.is_everything()));
        assert!(!both.pods.is_everything());
        let (two, _) = read(json!([{"podSelector": pod}, {"namespaceSelector": namespace}]));
        assert!(matches!(two, Peers::Of(list) if list.len() == 2));
    }

    #[test]
    fn an_ip_block_keeps_its_holes_sorted_and_without_host_bits() {
        let block = one(&json!({"ipBlock": {
            "cidr": "10.1.0.0/8",
            "except": ["10.2.3.4/16", "10.1.0.0/24", "10.1.0.9/24"]
        }}));
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let expected = IpBlock {
            cidr: net("10.0.0.0/8"),
            except: vec![net("10.1.0.0/24"), net("10.2.0.0/16")],
        };
        assert_eq!(block, PeerSelector::Block(expected));
    }

    #[test]
    fn an_except_that_covers_its_whole_cidr_is_refused() {
        let outside = refused(json!([{"ipBlock": {
            "cidr": "10.0.0.0/8",
            "except": ["10.0.0.0/8", "0.0.0.0/0", "nonsense"]
        }}]));
        let field = |index: usize| format!("from[0].ipBlock.except[{index}]");
        assert_eq!(
            outside,
            [
                (field(0), "except-covers-cidr"),
                (field(1), "except-covers-cidr"),
                (field(2), "bad-cidr"),
            ]
        );
    }

    #[test]
    fn an_except_outside_its_cidr_takes_nothing_away() {
        let block = one(&json!({"ipBlock": {
            "cidr": "10.0.0.0/8",
            "except": ["11.0.0.0/9", "fd00::/16", "10.1.0.0/16"]
        }}));
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let expected = IpBlock {
            cidr: net("10.0.0.0/8"),
            except: vec![net("10.1.0.0/16")],
        };
        assert_eq!(block, PeerSelector::Block(expected));
    }

    #[test]
    fn a_peer_says_whom_it_means_in_exactly_one_way() {
        let found = refused(json!([
            {},
            {"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}},
            {"ipBlock": {}},
            {"ipBlock": {"cidr": "10.0.0.0"}}
        ]));
        assert_eq!(
            found,
            [
                ("from[0]".into(), "empty-peer"),
                ("from[1]".into(), "mixed-peer"),
                ("from[2].ipBlock.cidr".into(), "missing-field"),
                ("from[3].ipBlock.cidr".into(), "bad-cidr"),
            ]
        );
    }
}
