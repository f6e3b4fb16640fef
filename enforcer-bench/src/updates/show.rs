//! The report.

use serde_json::json;

use crate::plot::{Axis, Drawing, Line, Plot};
use crate::report::{Cell, Report, Table};
use crate::stats::quantile;

use super::point::{Step, Times};
use super::{Arguments, Point, Source};

/// Puts everything into the report.
pub(super) fn fill(report: &mut Report, arguments: &Arguments, points: &[Point]) {
    report.notes.push(format!(
        "A pod sends numbered datagrams to another all the time; the time of a change is that from the \
         end of the file's `rename` or `unlink`, or the API server's answer, to the sending of the first \
         datagram that is dropped (or let through) by the new policy. Meanwhile connections between other \
         pods go on, and {} other pods of the cluster are relabelled in a second (or none). At each point \
         the policy is made, changed, changed back and deleted {} times.",
        arguments.churn,
        arguments.rounds(),
    ));
    report.tables.push(overview(points));
    report.tables.push(steps(points));
    for source in [Source::Files, Source::Api] {
        if points.iter().any(|point| point.source == source) {
            report.plots.push(plot(points, source));
        }
    }
    let raw = points.iter().map(|point| {
        json!({
            "source": point.source.words(), "policies": point.policies,
            "relabelled_per_second": point.churn, "times_ms": point.times,
        })
    });
    report.raw = raw.collect();
}

fn overview(points: &[Point]) -> Table {
    let mut table = Table::new(
        "From a change of policy to the first packet that it judges, in ms",
        &[
            "change by",
            "policies",
            "pods relabelled/s",
            "denied p50",
            "denied p99",
            "allowed p50",
            "allowed p99",
            "in the daemon (mean)",
            "batches/s",
            "between datagrams",
        ],
    );
    for point in points {
        let times = &point.times;
        let denied = together(times, [Step::Made, Step::Closed]);
        let allowed = together(times, [Step::Opened, Step::Deleted]);
        table.row([
            Cell::of(point.source.words()),
            Cell::Text(point.policies.to_string()),
            Cell::Text(point.churn.to_string()),
            at(&denied, 0.5),
            at(&denied, 0.99),
            at(&allowed, 0.5),
            at(&allowed, 0.99),
            times.inside.map_or(Cell::Nothing, Cell::Number),
            Cell::Number(times.batches_per_second),
            Cell::Number(times.interval),
        ]);
    }
    table
}

/// Each kind of change alone, where others go on.
fn steps(points: &[Point]) -> Table {
    let columns = [
        "change by",
        "policies",
        "change",
        "median (quartiles)",
        "p99",
        "p99 from the request",
    ];
    let mut table = Table::new("Each kind of change, while others go on, in ms", &columns);
    for point in points.iter().filter(|point| point.churn > 0) {
        for step in Step::ALL {
            let of = |times: &std::collections::BTreeMap<Step, Vec<f64>>| {
                let mut samples = times.get(&step).cloned().unwrap_or_default();
                samples.sort_by(f64::total_cmp);
                samples
            };
            let samples = of(&point.times.from_answer);
            table.row([
                Cell::of(point.source.words()),
                Cell::Text(point.policies.to_string()),
                Cell::of(step.words()),
                Cell::samples(&samples),
                at(&samples, 0.99),
                at(&of(&point.times.from_request), 0.99),
            ]);
        }
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "it is a number of policies")]
fn plot(points: &[Point], source: Source) -> Plot {
    let mut lines = Vec::new();
    for quiet in [true, false] {
        for (words, steps) in [
            ("denied", [Step::Made, Step::Closed]),
            ("allowed", [Step::Opened, Step::Deleted]),
        ] {
            for (part, name) in [(0.5, "p50"), (0.99, "p99")] {
                let chosen = points
                    .iter()
                    .filter(|point| point.source == source && (point.churn == 0) == quiet);
                let points = chosen.filter_map(|point| {
                    let y = quantile(&together(&point.times, steps), part)?;
                    Some((point.policies as f64, y))
                });
                let around = if quiet {
                    "alone"
                } else {
                    "among other changes"
                };
                lines.push(Line {
                    label: format!("{words} {name}, {around}"),
                    points: points.collect(),
                });
            }
        }
    }
    let axis = |label: &str| Axis {
        label: label.to_owned(),
        logarithmic: true,
    };
    let (name, words) = match source {
        Source::Files => ("files", "a file written"),
        Source::Api => ("api", "the API server's answer"),
    };
    Plot {
        name: name.to_owned(),
        title: format!("From {words} to the first packet judged"),
        drawing: Drawing::Lines {
            x: axis("policies in the cluster"),
            y: axis("ms"),
            lines,
        },
    }
}

/// The samples of two kinds of changes, sorted.
fn together(times: &Times, steps: [Step; 2]) -> Vec<f64> {
    let samples = steps.iter().filter_map(|step| times.from_answer.get(step));
    let mut samples: Vec<f64> = samples.flatten().copied().collect();
    samples.sort_by(f64::total_cmp);
    samples
}

fn at(sorted: &[f64], part: f64) -> Cell {
    quantile(sorted, part).map_or(Cell::Nothing, Cell::Number)
}
