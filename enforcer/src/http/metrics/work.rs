//! What the daemon does, and how long that takes.

use super::super::encode::{Page, Type};
use super::super::numbers::Numbers;
use crate::daemon::measure::Histogram;

pub(super) fn write(page: &mut Page, numbers: &Numbers) {
    let measures = &numbers.measures;
    let singles = [
        (
            "enforcer_change_batches_total",
            "Batches of changed objects.",
            measures.batches,
        ),
        (
            "enforcer_changes_total",
            "Changed objects in them.",
            measures.changes,
        ),
        (
            "enforcer_compiles_total",
            "Batches that policies may depend on, which were compiled.",
            measures.compiles,
        ),
        (
            "enforcer_map_writes_total",
            "Map writes that followed.",
            measures.writes,
        ),
    ];
    page.singles(Type::Counter, singles);
    watches(page, numbers);
    let histograms = [
        (
            "enforcer_apply_seconds",
            "From the arrival of a batch's oldest change to its last map write.",
            &measures.latency,
        ),
        (
            "enforcer_compile_seconds",
            "Of that, compiling the batch.",
            &measures.compiling,
        ),
        (
            "enforcer_map_write_seconds",
            "Of that, writing what changed to the maps, and taking over the connections of pods that become isolated.",
            &measures.writing,
        ),
    ];
    for (name, help, values) in histograms {
        histogram(page, name, help, values);
    }
}

fn watches(page: &mut Page, numbers: &Numbers) {
    let watches = || numbers.watches.iter();
    let help = "For how long changes have not been seen, by kind of object; 0 while they are.";
    page.gauge("enforcer_watch_behind_seconds", help)
        .by("kind", watches().map(|(kind, watch)| (kind, watch.behind)));
    let help = "Objects that the API server told of, in lists and after them, by kind.";
    page.counter("enforcer_watch_objects_total", help)
        .by("kind", watches().map(|(kind, watch)| (kind, watch.objects)));
    let help = "Watches of the API server that were begun again, by kind; it ends each after some minutes.";
    let restarts = watches().map(|(kind, watch)| (kind, watch.restarts));
    page.counter("enforcer_watch_restarts_total", help)
        .by("kind", restarts);
}

fn histogram(page: &mut Page, name: &'static str, help: &str, histogram: &Histogram) {
    let mut metric = page.metric(name, Type::Histogram, help);
    let mut count = 0;
    for (bound, class) in histogram.bounds.iter().zip(&histogram.classes) {
        count += class;
        // With a point in it, as OpenMetrics wants bounds: 1.0. From a tenth of a millisecond on there is no exponent.
        let bound = format!("{:?}", bound.as_secs_f64());
        metric.part("_bucket", &[("le", &bound)], count);
    }
    metric.part("_bucket", &[("le", "+Inf")], histogram.count());
    metric.part("_sum", &[], histogram.total.as_secs_f64());
    metric.part("_count", &[], histogram.count());
}
