//! Figures as pictures.

use super::super::drive::Place;
use super::super::growth::Point;
use super::Results;
use super::tables::size;
use crate::plot::{Axis, Drawing, Line, Plot};

pub(super) fn all(results: &Results) -> Vec<Plot> {
    let mut plots = Vec::new();
    if !results.growth.is_empty() {
        plots.extend(growth(results));
    }
    if let Some(soak) = &results.soak {
        plots.push(Plot {
            name: "soak".to_owned(),
            title: "Memory while a cluster changes at random".to_owned(),
            drawing: Drawing::Lines {
                x: axis("changes", false),
                y: axis("MiB resident", false),
                lines: vec![Line {
                    label: "charts, one node".to_owned(),
                    points: soak.memory.clone(),
                }],
            },
        });
    }
    plots
}

fn axis(label: &str, logarithmic: bool) -> Axis {
    Axis {
        label: label.to_owned(),
        logarithmic,
    }
}

const LINES: [(&str, Place, &str); 4] = [
    ("spread", Place::Maps, "spread, one node"),
    ("charts", Place::Maps, "charts, one node"),
    ("spread", Place::All, "spread, all pods local"),
    ("charts", Place::All, "charts, all pods local"),
];

fn growth(results: &Results) -> Vec<Plot> {
    let plot = |name: &str, title: &str, y: &str, lines: Vec<Line>| Plot {
        name: name.to_owned(),
        title: title.to_owned(),
        drawing: Drawing::Lines {
            x: axis("pods, and as many policies", true),
            y: axis(y, true),
            lines,
        },
    };
    let lines = |value: fn(&Point) -> Option<f64>| -> Vec<Line> {
        let lines = LINES.map(|(shape, place, label)| Line {
            label: label.to_owned(),
            points: results
                .line(shape, place)
                .filter_map(|point| Some((size(point), value(point)?)))
                .collect(),
        });
        lines.into()
    };
    let maps = |point: &Point| {
        let bytes: u64 = point.maps.iter().map(|map| map.bytes).sum();
        mebibytes(bytes)
    };
    vec![
        plot(
            "cold-start",
            "Cold start",
            "s on the CPU, with all map writes",
            lines(|point| Some(point.whole)),
        ),
        plot(
            "memory",
            "Memory of the compiler",
            "MiB resident",
            lines(|point| Some(point.resident)),
        ),
        plot(
            "pod",
            "A pod added elsewhere, to the last map write",
            "ms, median",
            lines(|point| point.pod),
        ),
        plot(
            "policy",
            "A policy added, to the last map write",
            "ms, median",
            lines(|point| point.policy),
        ),
        plot(
            "identities",
            "Identities",
            "identities",
            identities(results),
        ),
        plot(
            "maps",
            "Map memory of a node",
            "MiB",
            ["spread", "charts"]
                .map(|shape| Line {
                    label: shape.to_owned(),
                    points: results
                        .line(shape, Place::Maps)
                        .map(|point| (size(point), maps(point)))
                        .collect(),
                })
                .into(),
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn identities(results: &Results) -> Vec<Line> {
    let line = |label: &str, place, value: fn(&Point) -> usize| Line {
        label: label.to_owned(),
        points: results
            .line("charts", place)
            .map(|point| (size(point), value(point) as f64))
            .collect(),
    };
    vec![
        line("label sets", Place::Maps, |point| point.label_sets.all),
        line("Cilium's identities", Place::Maps, |point| {
            point.label_sets.cilium
        }),
        line("identities on a node", Place::Maps, |point| {
            point.of_addresses
        }),
        line("identities for all nodes at once", Place::All, |point| {
            point.of_addresses
        }),
    ]
}
