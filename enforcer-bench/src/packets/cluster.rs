//! The clusters whose tables are measured, compiled by the daemon's compiler.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, anyhow};
use enforcer_common::abi::Endpoint;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::lower;
use enforcer_policy::model::{Change, Namespace, Pod, PodKey};
use enforcer_policy::selector::Labels;
use enforcer_policy::tables::{Op, Tables};
use serde_json::{Value, json};

/// The measured pods' addresses.
pub(super) const OWN_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
/// The first of the pods on other nodes that may talk with the measured one; the others follow.
pub(super) const PEER_V4: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);
pub(super) const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0);
/// The first of the blocks that may; each is a /24, and every second one is missing, so that they
/// cannot be joined.
pub(super) const BLOCK: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 0);
pub(super) const BLOCK_STRIDE: u32 = 512;
/// Addresses that nobody may talk with.
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(128, 0, 0, 0);

/// The port that may be reached.
pub(super) const PORT: u16 = 80;

const NAMESPACE: &str = "bench";
const HERE: &str = "here";
/// Pods of this node besides the measured ones; every policy but one isolates some of them.
const OTHERS: usize = 100;
/// Applications that the peers belong to.
const APPLICATIONS: usize = 500;

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Policies in the cluster; one of them isolates the measured pod.
    pub(super) policies: usize,
    /// Pods that may talk with the measured one.
    pub(super) peers: u32,
    /// Blocks that may.
    pub(super) blocks: u32,
}

/// What the daemon would write, and the endpoints that are measured.
pub(super) struct Compiled {
    /// In the order in which it would write.
    pub(super) ops: Vec<Op>,
    /// A pod that a policy isolates in both directions.
    pub(super) isolated: Endpoint,
    /// A pod that none does.
    pub(super) free: Endpoint,
}

/// Compiles such a cluster for one node.
pub(super) fn compile(size: Size) -> Result<Compiled> {
    let mut compiler = Compiler::new(Scope::Node(HERE.to_owned()), Capacity::default());
    let mut changes = policies(size)?;
    changes.push(Change::Namespace(
        NAMESPACE.to_owned(),
        Some(Namespace::implied(NAMESPACE)),
    ));
    changes.extend(pods(size.peers));
    let ops = compiler.apply(changes);
    if let Some((pod, why)) = compiler.unfit().first_key_value() {
        return Err(anyhow!(
            "the policy of {pod} does not fit into the maps: {why}"
        ));
    }
    Ok(Compiled {
        isolated: endpoint(compiler.tables(), "isolated")?,
        free: endpoint(compiler.tables(), "free")?,
        ops,
    })
}

fn endpoint(tables: &Tables, name: &str) -> Result<Endpoint> {
    tables
        .endpoints
        .get(&key(name))
        .copied()
        .with_context(|| format!("the compiler made no endpoint of the pod {name:?}"))
}

fn key(name: &str) -> PodKey {
    PodKey {
        namespace: NAMESPACE.into(),
        name: name.into(),
    }
}

fn policies(size: Size) -> Result<Vec<Change>> {
    let others = (1..size.policies).map(other_policy);
    std::iter::once(measured_policy(size))
        .chain(others)
        .map(|policy| {
            let object = serde_json::from_value(policy).context("a policy of the benchmark")?;
            let policy = lower::network_policy(&object)
                .map_err(|invalid| anyhow!("a policy of the benchmark is refused: {invalid:?}"))?;
            Ok(Change::Policy(policy.key.clone(), Some(policy.into())))
        })
        .collect()
}

/// Both directions: all peers, and the blocks.
fn measured_policy(size: Size) -> Value {
    let mut peers = vec![json!({"podSelector": {"matchLabels": {"role": "peer"}}})];
    peers.extend((0..size.blocks).map(|number| {
        let address = Ipv4Addr::from_bits(BLOCK.to_bits() + number * BLOCK_STRIDE);
        json!({"ipBlock": {"cidr": format!("{address}/24")}})
    }));
    policy("measured", "isolated", &peers, PORT)
}

/// Another pod's, for peers of one of the applications.
fn other_policy(number: usize) -> Value {
    let app = format!("app-{}", number % APPLICATIONS);
    let peer = json!({"podSelector": {"matchLabels": {"app": app}}});
    let port = u16::try_from(8000 + number % 100).unwrap_or(8000);
    let pod = format!("other-{}", number % OTHERS);
    policy(&format!("other-{number}"), &pod, &[peer], port)
}

fn policy(name: &str, app: &str, peers: &[Value], port: u16) -> Value {
    let ports = json!([{"port": port}]);
    json!({
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "podSelector": {"matchLabels": {"app": app}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": peers, "ports": ports}],
            "egress": [{"to": peers, "ports": ports}],
        },
    })
}

fn pods(peers: u32) -> impl Iterator<Item = Change> {
    let own: Vec<IpAddr> = vec![OWN_V4.into(), OWN_V6.into()];
    let free = vec![
        IpAddr::from(Ipv4Addr::from_bits(OWN_V4.to_bits() + 1)),
        IpAddr::from(Ipv6Addr::from_bits(OWN_V6.to_bits() + 1)),
    ];
    let measured = [
        pod("isolated", HERE, Labels::from([("app", "isolated")]), own),
        pod("free", HERE, Labels::from([("app", "free")]), free),
    ];
    let others = (0..OTHERS).map(|number| {
        let name = format!("other-{number}");
        let address =
            Ipv4Addr::from_bits(OWN_V4.to_bits() + 16 + u32::try_from(number).unwrap_or(0));
        pod(
            &name,
            HERE,
            Labels::from([("app", name.as_str())]),
            vec![address.into()],
        )
    });
    let peers = (0..peers).map(|number| {
        let app = format!("app-{}", number as usize % APPLICATIONS);
        let addresses = vec![
            Ipv4Addr::from_bits(PEER_V4.to_bits() + number).into(),
            Ipv6Addr::from_bits(PEER_V6.to_bits() + u128::from(number)).into(),
        ];
        let labels = Labels::from([("app", app.as_str()), ("role", "peer")]);
        let node = format!("node-{}", number % 100);
        pod(&format!("peer-{number}"), &node, labels, addresses)
    });
    measured.into_iter().chain(others).chain(peers)
}

fn pod(name: &str, node: &str, labels: Labels, addresses: Vec<IpAddr>) -> Change {
    let pod = Pod {
        labels,
        addresses,
        node: Some(node.into()),
        ..Pod::default()
    };
    Change::Pod(key(name), Some(pod))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_isolates_one_of_the_measured_pods_in_both_directions() -> Result<()> {
        let size = Size {
            policies: 10,
            peers: 4,
            blocks: 3,
        };
        let compiled = compile(size)?;
        assert!(compiled.isolated.sets.iter().all(|set| *set != 0));
        assert_eq!(compiled.free.sets, [0, 0]);
        let cidrs = |op: &&Op| matches!(op, Op::PutCidr(..));
        assert_eq!(compiled.ops.iter().filter(cidrs).count(), 3);
        Ok(())
    }
}
