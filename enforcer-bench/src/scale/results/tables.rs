//! Figures as tables.

use super::super::churn::Event;
use super::super::drive::Place;
use super::super::kernel::MapUsage;
use super::super::samples::Costs;
use super::{OfShape, Results};
use crate::report::{Cell, Table};
use crate::stats::exponent;

/// Before the tables.
pub(super) fn notes() -> Vec<String> {
    [
        "Each *shape* is a cluster of 10,000 pods, 10,000 policies and 1,000 namespaces, unless it says \
         otherwise. *On a node* is the compiler of one of its nodes, with 250 pods there, and the \
         daemon's writer with real maps and a link with programs for each of them. *All pods local* is \
         the worst case: a compiler whose endpoints are all 10,000 pods, and maps (with room for \
         8,388,608 verdicts) but no links.",
        "Times are of one thread on the CPU, system calls included, from the change of the model to the \
         last map write; p99 of some hundreds of changes, made one at a time. The link of a new pod is \
         there before the pod's object, as it is when a runtime starts a pod.",
        "Goals: a cold start ≤ 3 s; a pod added, relabelled or removed ≤ 2 ms, a policy added ≤ 10 ms, \
         p99. What passes a goal is marked.",
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

pub(super) fn all(results: &Results) -> Vec<Table> {
    let mut tables = vec![
        shapes(
            results,
            Place::Node,
            "On a node: milliseconds, p99 (median)",
        ),
        shapes(
            results,
            Place::All,
            "All pods local: milliseconds, p99 (median)",
        ),
        abouts(results),
    ];
    if !results.growth.is_empty() {
        tables.push(exponents(results));
        tables.push(identities(results));
        tables.push(maps(results));
    }
    if let Some(soak) = &results.soak {
        let mut table = Table::new("Soak", &["", ""]);
        table.row([
            Cell::of("random changes, one at a time"),
            whole(soak.changes),
        ]);
        table.row([
            Cell::of("times that all tables were compared with those of a cold start"),
            whole(soak.checkpoints),
        ]);
        table.row([
            Cell::of("verdicts compared, all equal"),
            whole(soak.verdicts),
        ]);
        let memory =
            |point: Option<&(f64, f64)>| point.map_or(Cell::Nothing, |(_, mib)| Cell::Number(*mib));
        table.row([
            Cell::of("MiB resident at the first comparison"),
            memory(soak.memory.first()),
        ]);
        table.row([
            Cell::of("MiB resident at the last"),
            memory(soak.memory.last()),
        ]);
        tables.push(table);
    }
    tables
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn whole(number: usize) -> Cell {
    Cell::of((number as f64).to_string())
}

/// A figure and whether it is within its goal.
fn judged(text: String, value: f64, goal: Option<f64>) -> Cell {
    match goal {
        Some(goal) if value > goal => Cell::of(format!("**{text}** (goal {goal})")),
        _ => Cell::of(text),
    }
}

fn shapes(results: &Results, place: Place, title: &str) -> Table {
    let columns = [
        "shape",
        "cold start, s (compiler alone)",
        "pod added here",
        "elsewhere",
        "relabelled here",
        "elsewhere",
        "removed here",
        "elsewhere",
        "policy added",
        "policy removed",
        "namespace relabelled",
        "most writes of a change",
        "identities",
        "verdicts",
    ];
    let mut table = Table::new(title, &columns);
    for shape in results.shapes.iter().filter(|shape| shape.place == place) {
        let cold = format!("{:.2} ({:.2})", shape.whole, shape.compile);
        let mut cells = vec![
            Cell::of(shape.shape.as_str()),
            judged(cold, shape.whole, Some(3.0)),
        ];
        let events = [
            (Event::PodHere, Some(2.0)),
            (Event::PodElsewhere, Some(2.0)),
            (Event::RelabelHere, Some(2.0)),
            (Event::RelabelElsewhere, Some(2.0)),
            (Event::GoneHere, Some(2.0)),
            (Event::GoneElsewhere, Some(2.0)),
            (Event::Policy, Some(10.0)),
            (Event::PolicyGone, None),
            (Event::Namespace, None),
        ];
        cells.extend(events.map(|(event, goal)| cost(shape.of(event), goal)));
        let most = shape.costs.iter().map(|(_, costs)| costs.writes_most);
        cells.push(Cell::of(most.fold(0.0, f64::max).to_string()));
        cells.push(whole(shape.identities));
        cells.push(match shape.unfit {
            0 => whole(shape.verdicts),
            unfit => Cell::of(format!("{} ({unfit} endpoints do not fit)", shape.verdicts)),
        });
        table.row(cells);
    }
    table
}

fn cost(costs: Option<&Costs>, goal: Option<f64>) -> Cell {
    costs.map_or(Cell::Nothing, |costs| {
        judged(
            format!("{:.2} ({:.3})", costs.p99, costs.p50),
            costs.p99,
            goal,
        )
    })
}

fn abouts(results: &Results) -> Table {
    let mut table = Table::new("Shapes", &["shape", "what is special"]);
    let shapes: &[OfShape] = &results.shapes;
    for shape in shapes.iter().filter(|shape| shape.place == Place::Node) {
        table.row([
            Cell::of(shape.shape.as_str()),
            Cell::of(shape.about.as_str()),
        ]);
    }
    table
}

fn exponents(results: &Results) -> Table {
    let mut table = Table::new(
        "Growth: exponents of what the compiler takes against the number of pods (1 is linear)",
        &[
            "shape",
            "sizes",
            "cold start",
            "memory",
            "pod added elsewhere",
            "policy added",
        ],
    );
    for (place, what) in [(Place::Maps, "one node"), (Place::All, "all pods local")] {
        for shape in ["spread", "charts"] {
            let points: Vec<_> = results.line(shape, place).collect();
            let fit = |value: fn(&super::Point) -> Option<f64>| {
                let points = points
                    .iter()
                    .filter_map(|one| Some((size(one), value(one)?)));
                let found = exponent(&points.collect::<Vec<_>>());
                found.map_or(Cell::Nothing, Cell::Number)
            };
            let ends = [points.first(), points.last()];
            let [Some(first), Some(last)] = ends else {
                continue;
            };
            table.row([
                Cell::of(format!("{shape}, {what}")),
                Cell::of(format!("{} to {}", first.job.pods, last.job.pods)),
                fit(|point| Some(point.compile)),
                fit(|point| Some(point.resident)),
                fit(|point| point.pod),
                fit(|point| point.policy),
            ]);
        }
    }
    table
}

/// Pods, as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
pub(super) fn size(point: &super::Point) -> f64 {
    point.job.pods as f64
}

fn identities(results: &Results) -> Table {
    let mut table = Table::new(
        "Identities of the shape charts",
        &[
            "pods",
            "label sets",
            "label sets without the labels that Cilium leaves out: its identities",
            "identities of addresses on a node (selectors in use)",
            "for all nodes at once (selectors in use)",
        ],
    );
    for point in results.line("charts", Place::Maps) {
        let mut all = results.line("charts", Place::All);
        let all = all.find(|all| all.job.pods == point.job.pods);
        let both = |point: &super::Point| format!("{} ({})", point.of_addresses, point.selectors);
        table.row([
            whole(point.job.pods),
            whole(point.label_sets.all),
            whole(point.label_sets.cilium),
            Cell::of(both(point)),
            all.map_or(Cell::Nothing, |all| Cell::of(both(all))),
        ]);
    }
    table
}

fn maps(results: &Results) -> Table {
    let points: Vec<_> = results.line("spread", Place::Maps).collect();
    let mut columns = vec![
        "map".to_owned(),
        "entries".to_owned(),
        "bytes of an entry".to_owned(),
        "KiB empty".to_owned(),
    ];
    columns.extend(
        points
            .iter()
            .map(|point| format!("KiB with {} pods", point.job.pods)),
    );
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(
        "Map memory of a node, as the kernel says (`memlock` in fdinfo), shape spread",
        &columns,
    );
    let Some(first) = points.first() else {
        return table;
    };
    let kib = |maps: &[MapUsage], name: &str| {
        let maps = maps.iter().filter(|map| map.name == name);
        let bytes: u64 = maps.map(|map| map.bytes).sum();
        bytes / 1024
    };
    for map in &first.empty {
        let mut row = vec![
            Cell::of(map.name.as_str()),
            Cell::of(map.limit.to_string()),
            Cell::of(map.entry.to_string()),
            Cell::of(kib(&first.empty, &map.name).to_string()),
        ];
        row.extend(
            points
                .iter()
                .map(|point| Cell::of(kib(&point.maps, &map.name).to_string())),
        );
        table.row(row);
    }
    let all = |maps: &[MapUsage]| maps.iter().map(|map| map.bytes).sum::<u64>() / 1024;
    let mut row = vec![Cell::of("**all**"), Cell::Nothing, Cell::Nothing];
    row.push(Cell::of(all(&first.empty).to_string()));
    row.extend(
        points
            .iter()
            .map(|point| Cell::of(all(&point.maps).to_string())),
    );
    table.row(row);
    table
}
