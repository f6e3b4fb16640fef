//! What was found, and the report of it.

mod plots;
mod tables;

use enforcer_policy::compile::Stats;

use super::churn::Event;
use super::drive::{Cold, Place};
use super::growth::Point;
use super::samples::{Costs, Samples};
use super::soak::Soak;
use super::world::Shape;
use crate::report::Report;

/// One shape at one place.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct OfShape {
    /// Its name.
    pub(super) shape: String,
    /// What is special.
    pub(super) about: String,
    /// Whose pods are endpoints.
    pub(super) place: Place,
    /// Seconds of a cold start on the CPU: the compiler...
    pub(super) compile: f64,
    /// ...and with all map writes.
    pub(super) whole: f64,
    /// The writes of the cold start.
    pub(super) writes: usize,
    /// Identities.
    pub(super) identities: usize,
    /// Verdicts.
    pub(super) verdicts: usize,
    /// Endpoints for which something did not fit.
    pub(super) unfit: usize,
    /// Changes by kind.
    pub(super) changes: Vec<(&'static str, Costs)>,
    #[serde(skip)]
    pub(super) costs: Vec<(Event, Costs)>,
}

impl OfShape {
    pub(super) fn new(
        shape: &Shape,
        place: Place,
        cold: &Cold,
        stats: Stats,
        unfit: usize,
        samples: &Samples,
    ) -> Self {
        let events = Event::ALL.into_iter();
        let costs: Vec<(Event, Costs)> = events
            .filter_map(|event| Some((event, samples.costs(event)?)))
            .collect();
        Self {
            shape: shape.name.to_owned(),
            about: shape.about.to_owned(),
            place,
            compile: cold.compile.cpu.as_secs_f64(),
            whole: cold.whole.cpu.as_secs_f64(),
            writes: cold.writes,
            identities: stats.identities,
            verdicts: stats.verdicts,
            unfit,
            changes: costs
                .iter()
                .map(|(event, costs)| (event.name(), *costs))
                .collect(),
            costs,
        }
    }

    pub(super) fn of(&self, event: Event) -> Option<&Costs> {
        let mut costs = self.costs.iter();
        costs.find(|(one, _)| *one == event).map(|(_, costs)| costs)
    }
}

/// Everything that was measured.
pub(super) struct Results {
    report: Report,
    pub(super) shapes: Vec<OfShape>,
    pub(super) growth: Vec<Point>,
    pub(super) soak: Option<Soak>,
}

impl Results {
    /// Nothing yet.
    pub(super) fn new(quick: bool) -> Self {
        Self {
            report: Report::new("scale", quick),
            shapes: Vec::new(),
            growth: Vec::new(),
            soak: None,
        }
    }

    /// Points of a shape at a place, by size.
    fn line(&self, shape: &str, place: Place) -> impl Iterator<Item = &Point> {
        let points = self.growth.iter();
        points.filter(move |point| point.job.shape == shape && point.job.place == place)
    }

    /// The report.
    pub(super) fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.notes = tables::notes();
        report.tables = tables::all(self);
        report.plots = plots::all(self);
        report.raw = serde_json::json!({
            "shapes": self.shapes, "growth": self.growth, "soak": self.soak,
        });
        report
    }
}
