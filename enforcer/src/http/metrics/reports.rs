//! What the API server is told.

use super::super::encode::{Page, Type};
use crate::report::{Count, Counters};

pub(super) fn write(page: &mut Page, reports: &Counters) {
    let singles = [
        (
            "enforcer_reports_written_total",
            "PolicyEnforcement objects written.",
            reports.get(Count::Written),
        ),
        (
            "enforcer_reports_deleted_total",
            "This node's PolicyEnforcement objects deleted.",
            reports.get(Count::Deleted),
        ),
        (
            "enforcer_reports_swept_total",
            "PolicyEnforcement objects deleted that nodes left behind.",
            reports.get(Count::Swept),
        ),
        (
            "enforcer_report_events_total",
            "Kubernetes Events made.",
            reports.get(Count::Events),
        ),
        (
            "enforcer_report_failures_total",
            "Requests about reports and Events that the API server refused or did not answer.",
            reports.get(Count::Failures),
        ),
    ];
    page.singles(Type::Counter, singles);
    let help = "1 while the API server takes no reports; `enforcer status` says why.";
    page.gauge("enforcer_reports_failing", help)
        .sample(&[], u8::from(reports.trouble().is_some()));
}
