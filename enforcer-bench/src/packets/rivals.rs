//! What others take, by the issue that asked for this benchmark: measured there with the same method
//! on Linux 6.18, not here. Marks in the plot, never part of a table of our own figures.

use super::case::{Case, Connections};
use super::world::Kind;
use crate::plot::Mark;

const AWS: &str = "aws-network-policy-agent (issue 5)";
const CILIUM: &str = "Cilium (issue 5)";

/// Nanoseconds above an empty program: from, to.
type Figure = (&'static str, f64, f64);

/// What the issue says of a case; both programs were measured towards the pod, with IPv4.
pub(super) fn marks(case: &Case) -> Vec<Mark> {
    let figures: &[Figure] = if !case.isolated {
        &[(AWS, 133.0, 133.0)]
    } else if case.six {
        &[]
    } else if case.established {
        established(case.connections)
    } else if case.name.starts_with("new") {
        new(case.kind)
    } else {
        denied(case)
    };
    figures
        .iter()
        .map(|&(series, low, high)| Mark {
            series: series.to_owned(),
            low,
            high,
        })
        .collect()
}

fn established(connections: Connections) -> &'static [Figure] {
    match connections {
        Connections::One => &[(AWS, 136.0, 136.0), (CILIUM, 500.0, 500.0)],
        Connections::Opened(count) if count <= 1 << 16 => &[(CILIUM, 1290.0, 1290.0)],
        Connections::Opened(_) | Connections::Driven | Connections::Ports | Connections::New => &[],
    }
}

/// Of aws with 1,000 entries, its ring buffer full or read; of Cilium with 10 to 10,000 peers, its
/// events unread.
fn new(kind: Kind) -> &'static [Figure] {
    match kind {
        Kind::Events => &[(AWS, 1350.0, 1400.0)],
        Kind::Remembered => &[(AWS, 841.0, 880.0), (CILIUM, 1240.0, 2920.0)],
        _ => &[],
    }
}

fn denied(case: &Case) -> &'static [Figure] {
    match (case.connections, case.kind) {
        (Connections::One, _) => &[(AWS, 204.0, 236.0), (CILIUM, 625.0, 625.0)],
        (_, Kind::Usual) => &[(AWS, 441.0, 459.0)],
        _ => &[],
    }
}
