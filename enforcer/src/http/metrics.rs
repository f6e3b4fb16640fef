//! Numbers as metrics. `docs/metrics.md` has the table of all of them, which a test writes.

mod flows;
mod kernel;
mod reports;
mod state;
mod work;

use super::encode::{Metric, Page, Type};
use super::form::Form;
use super::numbers::Numbers;
use super::process;
use crate::report::Counters;

/// The page of metrics. Every metric is named, also while nothing has happened that it would tell.
pub(super) fn page(form: Form, numbers: &Numbers, reports: &Counters) -> String {
    let mut page = Page::new(form);
    state::write(&mut page, numbers);
    kernel::write(&mut page, numbers);
    flows::write(&mut page, numbers);
    work::write(&mut page, numbers);
    reports::write(&mut page, reports);
    process::write(&mut page, numbers.started);
    page.into_text()
}

impl Page {
    /// Metrics without labels.
    fn singles<const N: usize>(&mut self, kind: Type, singles: [(&'static str, &str, u64); N]) {
        for (name, help, value) in singles {
            self.metric(name, kind, help).sample(&[], value);
        }
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, Type::Counter, help)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.metric(name, Type::Gauge, help)
    }
}

impl Metric<'_> {
    /// Samples that differ in one label.
    fn by<N: AsRef<str>, V: std::fmt::Display>(
        mut self,
        label: &str,
        samples: impl IntoIterator<Item = (N, V)>,
    ) {
        for (name, value) in samples {
            self.sample(&[(label, name.as_ref())], value);
        }
    }
}

#[cfg(test)]
mod tests;
