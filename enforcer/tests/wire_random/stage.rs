//! What rounds are played on.

use std::sync::LazyLock;

use enforcer_lab::{Fabric, Families, Lab, LabError, Shape};

use crate::common::{BRIDGE, FILTERED_BRIDGE};
use crate::random::Random;

/// A shape of cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// Nodes, each with a daemon.
    pub(crate) nodes: u8,
    /// How they reach each other's pods.
    pub(crate) fabric: Fabric,
    /// Whether the nodes masquerade what leaves the cluster.
    pub(crate) masquerade: bool,
}

const fn stage(name: &'static str, shape: Shape, nodes: u8, fabric: Fabric) -> Stage {
    Stage {
        name,
        shape,
        nodes,
        fabric,
        masquerade: false,
    }
}

const fn masqueraded(stage: Stage) -> Stage {
    Stage {
        masquerade: true,
        ..stage
    }
}

/// All of them; rounds take them in turn.
const STAGES: [Stage; 10] = [
    stage("ptp", Shape::Ptp, 1, Fabric::HostGateway),
    stage("bridge", BRIDGE, 1, Fabric::HostGateway),
    stage(
        "bridge with br_netfilter",
        FILTERED_BRIDGE,
        1,
        Fabric::HostGateway,
    ),
    stage("calico", Shape::Calico, 1, Fabric::HostGateway),
    stage("netkit", Shape::Netkit, 1, Fabric::HostGateway),
    stage(
        "two nodes: ptp, host-gw",
        Shape::Ptp,
        2,
        Fabric::HostGateway,
    ),
    stage("two nodes: bridge, vxlan", BRIDGE, 2, Fabric::Vxlan),
    stage(
        "two nodes: calico, host-gw",
        Shape::Calico,
        2,
        Fabric::HostGateway,
    ),
    masqueraded(stage(
        "two nodes: bridge with br_netfilter, vxlan, masquerading",
        FILTERED_BRIDGE,
        2,
        Fabric::Vxlan,
    )),
    masqueraded(stage(
        "two nodes: bridge with br_netfilter, host-gw, masquerading",
        FILTERED_BRIDGE,
        2,
        Fabric::HostGateway,
    )),
];

/// All that this kernel has. What it lacks is replaced, so that a seed means the same elsewhere.
pub(crate) fn stages() -> &'static [Stage] {
    static HERE: LazyLock<Vec<Stage>> = LazyLock::new(|| {
        let mut stages = STAGES.to_vec();
        let netkit = has_netkit();
        for stage in stages
            .iter_mut()
            .filter(|stage| stage.shape == Shape::Netkit && !netkit)
        {
            stage.name = "ptp, for netkit, which this kernel does not have";
            stage.shape = Shape::Ptp;
        }
        stages
    });
    &HERE
}

fn has_netkit() -> bool {
    let lab = Lab::new(Shape::Netkit, Families::V4).unwrap();
    match lab.add_pod("pod") {
        Err(LabError::Unsupported(_)) => false,
        added => added.map(|_| true).unwrap(),
    }
}

/// The families of a round.
pub(crate) fn families(dice: &mut Random) -> Families {
    let families = [Families::Dual, Families::Dual, Families::V4, Families::V6];
    families[dice.below(families.len())]
}
