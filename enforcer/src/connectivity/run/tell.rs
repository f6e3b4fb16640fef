//! What is said about a case.

use std::time::Duration;

use super::judge::{all_pass, expected, passes};
use super::play::Play;
use crate::connectivity::cases::{Case, Port};
use crate::connectivity::evidence::Moment;
use crate::connectivity::logs::now;
use crate::connectivity::report::{BrokenConnection, CaseReport, ExpectationReport, Verdict};
use crate::connectivity::stage::Cell;

impl Play {
    /// Something does not pass before the case's policies are there.
    pub(super) fn tell_before(
        &self,
        case: &Case,
        cells: &[Cell],
        since: Moment,
        report: &mut CaseReport,
    ) {
        let fails = |cell: &&Cell| !passes(&self.evidence, cell, since);
        let failing: Vec<&Cell> = cells.iter().filter(fails).collect();
        if case.wants_services() && failing.iter().all(|cell| cell.port == Port::Service) {
            report.verdict = Verdict::Skipped;
            report.reason = Some(
                "service addresses do not answer without a policy: is there a kube-proxy?"
                    .to_owned(),
            );
            return;
        }
        let broken = failing.into_iter().map(|cell| {
            let cell = Cell {
                allowed: true,
                ..*cell
            };
            self.broken(&cell, since)
        });
        let words = "without the policy everything passes".to_owned();
        let expectation = ExpectationReport::new(words, cells.len(), broken.collect());
        report.expectations.push(expectation);
        report.judge();
    }

    /// What became of all expectations.
    pub(super) fn tell(
        &self,
        case: &Case,
        cells: &[Cell],
        judged: &[bool],
        since: Moment,
        report: &mut CaseReport,
    ) {
        for (number, expectation) in case.expectations.iter().enumerate() {
            let own = || {
                cells
                    .iter()
                    .zip(judged)
                    .filter(|(cell, _)| cell.expectation == number)
            };
            let broken = own().filter(|(_, is)| !**is);
            let broken = broken.map(|(cell, _)| self.broken(cell, since)).collect();
            let words = expectation.to_string();
            let told = ExpectationReport::new(words, own().count(), broken);
            report.expectations.push(told);
        }
        report.judge();
    }

    /// Whether everything passes when the policies are gone.
    pub(super) async fn tell_after(
        &mut self,
        cells: &[Cell],
        patience: Duration,
        report: &mut CaseReport,
    ) {
        let since = now();
        self.wait(patience, |evidence| all_pass(evidence, cells, since))
            .await;
        let fails = |cell: &&Cell| !passes(&self.evidence, cell, since);
        let broken = cells.iter().filter(fails).map(|cell| {
            let cell = Cell {
                allowed: true,
                ..*cell
            };
            self.broken(&cell, since)
        });
        let words = "removed again: everything passes".to_owned();
        let expectation = ExpectationReport::new(words, cells.len(), broken.collect());
        report.expectations.push(expectation);
    }

    fn broken(&self, cell: &Cell, since: Moment) -> BrokenConnection {
        let stage = &self.stage;
        let from = format!("{}/{}", stage.space(cell.from.client.home()), cell.from);
        let to = format!("{}/{}", stage.space(cell.server.home()), cell.server.name());
        let (port, protocol) = (cell.port.number(), cell.port.protocol());
        let service = if cell.port == Port::Service {
            "svc/"
        } else {
            ""
        };
        let trace = format!(
            "enforcer trace --manifests cluster.yaml --from {from} --to {service}{to} --port {port} --protocol {protocol}"
        );
        BrokenConnection {
            from,
            from_node: stage.nodes[cell.from.node].clone(),
            to,
            to_node: stage.node_of(cell.server).to_owned(),
            target: cell.target.to_string(),
            expected: expected(cell),
            seen: self.evidence.counts((cell.from, cell.target), since),
            error: self.evidence.error(cell.from).map(str::to_owned),
            trace,
        }
    }
}

pub(super) fn blank(case: &'static Case) -> CaseReport {
    CaseReport {
        name: case.name,
        about: case.about,
        verdict: Verdict::Holds,
        reason: None,
        seconds: 0.0,
        expectations: Vec::new(),
        told: Vec::new(),
    }
}

/// A case that is not played.
pub(super) fn skipped(case: &'static Case, why: &str) -> CaseReport {
    CaseReport {
        verdict: Verdict::Skipped,
        reason: Some(why.to_owned()),
        ..blank(case)
    }
}
