//! What was measured, and the report.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::condition::Condition;
use super::guard::{Events, Guard};
use super::stage::Stage;
use super::traffic::{Cpus, connections, latency, packets};
use crate::plot::{Axis, Drawing, Mark, Plot, Strip};
use crate::report::{Cell, Report, Table};
use crate::stats::{Summary, above, ratios};

/// One condition in one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Figures {
    /// UDP packets that arrived in a second.
    packets: f64,
    /// The part of them that did not.
    lost: f64,
    /// Times of requests, in µs.
    p50: f64,
    p99: f64,
    /// TCP connections in a second.
    connections: f64,
    /// What a connection takes in all, in µs: client, server and daemon share one processor.
    whole: f64,
    /// What of that is the daemon's.
    daemon: f64,
}

impl Figures {
    /// Measures everything once, each for this time.
    pub(super) fn measure(stage: &Stage, cpus: Cpus, time: Duration) -> Result<Self> {
        let rate = packets(&stage.path(cpus), time).context("UDP packets")?;
        let latency = latency(&stage.path(cpus), time).context("requests")?;
        let connections_apart = connections(&stage.path(cpus), time).context("connections")?;
        let together = cpus.together();
        stage.keep_daemon_on(&[together.client])?;
        let before = stage.daemon_time()?;
        let (begin, rate_together) = (Instant::now(), connections(&stage.path(together), time));
        let rate_together = rate_together.context("connections")?;
        let daemon = stage.daemon_time()?.saturating_sub(before);
        let made = rate_together * begin.elapsed().as_secs_f64();
        stage.keep_daemon_on(&[cpus.client, cpus.server])?;
        stage.verify_tracking()?;
        Ok(Self {
            packets: rate.arrived,
            lost: rate.lost,
            p50: latency.p50,
            p99: latency.p99,
            connections: connections_apart,
            whole: 1e6 / rate_together,
            daemon: daemon.as_secs_f64() * 1e6 / made,
        })
    }
}

/// A column: what it is, how it is read from a round, and the goal for enforcer.
struct Column {
    name: &'static str,
    of: fn(&Figures) -> f64,
    goal: &'static str,
}

const COLUMNS: [Column; 4] = [
    Column {
        name: "UDP 64 B packets/s",
        of: |one| one.packets,
        goal: "≥ 0.95",
    },
    Column {
        name: "request/response p50",
        of: |one| one.p50,
        goal: "≤ 1.03",
    },
    Column {
        name: "p99",
        of: |one| one.p99,
        goal: "≤ 1.06",
    },
    Column {
        name: "new connections/s",
        of: |one| one.connections,
        goal: "≥ 0.95",
    },
];

/// What others measured, as the issue that asked for this bench gives it: elsewhere and earlier.
const ELSEWHERE: [(&str, [f64; 4], &str); 4] = [
    (
        "aws-network-policy-agent (from the issue)",
        [0.86, 1.10, 1.15, 0.72],
        "28",
    ),
    (
        "Cilium's bpf_lxc (from the issue)",
        [0.73, 1.16, 1.28, 0.83],
        "16; 146 with an event reader",
    ),
    (
        "NFQUEUE for new connections (from the issue)",
        [0.88, 1.07, 1.09, 0.57],
        "57",
    ),
    (
        "empty TCX programs (from the issue)",
        [0.97, 1.03, 1.05, 0.99],
        "2.8",
    ),
];

/// All figures as a report.
pub(super) fn report(
    mut report: Report,
    conditions: &[Condition],
    measured: &[Vec<Figures>],
    legacy: Option<bool>,
) -> Report {
    report.notes = notes(measured.first().map_or(0, Vec::len), legacy);
    report.tables = vec![
        relative(conditions, measured),
        absolute(conditions, measured),
    ];
    report.plots = COLUMNS
        .iter()
        .zip(["packets", "p50", "p99", "connections"])
        .map(|(column, file)| plot(column, file, conditions, measured))
        .collect();
    let raw: Vec<_> = conditions.iter().zip(measured).map(|(condition, rounds)| {
        serde_json::json!({"condition": condition.name(), "rounds": rounds})
    }).collect();
    report.raw = raw.into();
    report
}

/// How it was done.
fn notes(rounds: usize, legacy: Option<bool>) -> Vec<String> {
    let iptables = match legacy {
        Some(true) => "the kernel's own iptables (`iptables-legacy`)",
        Some(false) => {
            "nftables in the guise of iptables (`iptables-nft`), because this kernel has no iptables of its own"
        }
        None => "not measured in this run",
    };
    let rounds = format!(
        "{rounds} rounds, in each of which every condition is measured once, each round beginning with another one. Figures are compared with \"no filter\" of the same round; shown is the median with the quartiles. \"No filter, again\" is the same thing measured twice: smaller differences say nothing."
    );
    let iptables = format!(
        "- *iptables + ipset*: as kube-router writes them: a list of the node's pods (as many as policies, at most 100), a chain for each pod that lets connections pass first and then runs through a chain for each policy; four sets for each policy. Here: {iptables}."
    );
    let more = [iptables, rounds];
    METHOD
        .iter()
        .map(|&text| text.to_owned())
        .chain(more)
        .collect()
}

const METHOD: [&str; 8] = [
    "Real traffic between two pods of a node: network namespaces behind veths with /32 routes, as the ptp plugin makes them, the client on one processor and the server on another. Neither sleeps while it waits, so that nothing is measured but the path: waking a thread takes longer than ten packets.",
    "*UDP 64 B packets/s* are those that arrive, one sender, one flow. *Request/response* is one byte there and one back by UDP. *New connections* are TCP, one after the other: connect, one byte, close, wait for the other side's close; no pair of ports comes twice, so that every one is new to every filter. *A connection in all* is the same with client, server and daemon on one processor, so that everything that a connection costs anywhere is in it.",
    "Every condition has a node of its own, on which nothing else is at work; the kernel tracks connections only where the rules ask for it, which is checked. Before measuring, each must let pass what the policies allow and drop what they deny (TCP and UDP: a pod that may not, a port that nobody may, a pod that may not be reached), and without a filter the same probes must arrive.",
    "All get the same policies. *Every one of them selects both pods and isolates them in both directions*; each allows one peer, and the one in the middle allows what is measured. That is the worst case for rules that are walked through: a pod that ten policies select costs what the rows with 10 say, however many policies there are elsewhere.",
    "- *enforcer* is the release binary with a directory of manifests; the daemon runs and reads events, by default up to 1,000 new connections a second and processor; in the condition so named, every single one.",
    "- *empty TCX programs* return at once, on both hooks of both links: what there is before anything is done.",
    "- *nftables*: what belongs to a connection passes first, then a map finds the pod's chain, in which each policy is a rule with a set of its peers.",
    "- *NFQUEUE*: what belongs to a connection passes first, and the first packet of each goes to a program, here a thread of the bench that does as little as such a program can: it reads the packet, looks into a set for each side and answers. It is where a daemon would be (the last column has what it takes).",
];

/// Of one column.
fn samples(column: &Column, rounds: &[Figures]) -> Vec<f64> {
    rounds.iter().map(column.of).collect()
}

fn relative(conditions: &[Condition], measured: &[Vec<Figures>]) -> Table {
    const WHOLE: fn(&Figures) -> f64 = |one| one.whole;
    let mut columns = vec!["ratio to no filter"];
    columns.extend(COLUMNS.iter().map(|column| column.name));
    columns.push("a connection in all, µs above no filter");
    let mut table = Table::new("Two pods of a node, as a ratio to no filter", &columns);
    let Some(baseline) = measured.first() else {
        return table;
    };
    let whole = |rounds: &[Figures]| rounds.iter().map(WHOLE).collect::<Vec<_>>();
    for (condition, rounds) in conditions.iter().zip(measured).skip(1) {
        let mut row = vec![Cell::of(condition.name())];
        row.extend(COLUMNS.iter().map(|column| {
            Cell::samples(&ratios(
                &samples(column, rounds),
                &samples(column, baseline),
            ))
        }));
        row.push(Cell::samples(&above(&whole(rounds), &whole(baseline))));
        table.row(row);
    }
    for (name, figures, whole) in ELSEWHERE {
        let mut row = vec![Cell::of(name)];
        row.extend(figures.map(Cell::Number));
        row.push(Cell::of(whole));
        table.row(row);
    }
    let mut goal = vec![Cell::of("**goal**")];
    goal.extend(COLUMNS.iter().map(|column| Cell::of(column.goal)));
    goal.push(Cell::of("≤ 5"));
    table.row(goal);
    table
}

fn absolute(conditions: &[Condition], measured: &[Vec<Figures>]) -> Table {
    let mut table = Table::new(
        "The same in figures",
        &[
            "",
            "UDP packets/s",
            "lost, %",
            "p50, µs",
            "p99, µs",
            "connections/s",
            "a connection in all, µs",
            "the daemon's part of that, µs",
        ],
    );
    let of: [fn(&Figures) -> f64; 7] = [
        |one| one.packets,
        |one| one.lost * 100.0,
        |one| one.p50,
        |one| one.p99,
        |one| one.connections,
        |one| one.whole,
        |one| one.daemon,
    ];
    for (condition, rounds) in conditions.iter().zip(measured) {
        let mut row = vec![Cell::of(condition.name())];
        row.extend(of.map(|of| Cell::samples(&rounds.iter().map(of).collect::<Vec<_>>())));
        table.row(row);
    }
    table
}

fn plot(column: &Column, file: &str, conditions: &[Condition], measured: &[Vec<Figures>]) -> Plot {
    let baseline = measured.first().map_or(&[][..], Vec::as_slice);
    let strip = |(condition, rounds): (&Condition, &Vec<Figures>)| {
        let ratios = ratios(&samples(column, rounds), &samples(column, baseline));
        Strip {
            label: condition.name().replace("**", ""),
            measured: Summary::of(&ratios),
            marks: goal(column, condition),
        }
    };
    Plot {
        name: file.to_owned(),
        title: format!("{}, ratio to no filter", column.name),
        drawing: Drawing::Strips {
            axis: Axis {
                label: "ratio to no filter".to_owned(),
                logarithmic: false,
            },
            strips: conditions.iter().zip(measured).skip(1).map(strip).collect(),
        },
    }
}

/// The goal, where it is one.
fn goal(column: &Column, condition: &Condition) -> Vec<Mark> {
    let number = column
        .goal
        .split(' ')
        .nth(1)
        .and_then(|number| number.parse().ok());
    let default = matches!(condition.guard, Guard::Enforcer(Events::Default));
    let mark = number.filter(|_| default).map(|number| Mark {
        series: "goal".to_owned(),
        low: number,
        high: number,
    });
    mark.into_iter().collect()
}
