//! Endpoints that are pending, do not fit, or are watched only.

use enforcer_common::Reason;
use enforcer_common::abi::Endpoint;

use crate::link::{FRIEND, Link, POD, STRANGER, syn};

#[test]
fn a_link_without_endpoint_lets_nothing_pass() {
    let mut link = Link::isolated();
    link.pod = Endpoint::default();
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_000, 80))),
        Reason::NoEndpoint
    );
    assert_eq!(
        link.sends(&syn(POD, FRIEND, (40_000, 443))),
        Reason::NoEndpoint
    );
}

#[test]
fn a_pending_endpoint_passes_or_is_held_as_the_operator_chose() {
    let mut link = Link::isolated();
    link.pod.flags = Endpoint::PENDING;
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_000, 1))),
        Reason::PendingAllowed
    );
    assert_eq!(
        link.sends(&syn(POD, STRANGER, (40_000, 1))),
        Reason::PendingAllowed
    );
    link.pod.flags = Endpoint::PENDING | Endpoint::DENY_ALL;
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_000, 80))),
        Reason::PendingDenied
    );
    assert_eq!(
        link.sends(&syn(POD, FRIEND, (40_000, 443))),
        Reason::PendingDenied
    );
}

#[test]
fn a_policy_that_does_not_fit_denies_also_in_the_direction_that_it_leaves_open() {
    let mut link = Link::with(Endpoint::DENY_ALL);
    link.pod.sets = [0, 0];
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_000, 80))),
        Reason::DoesNotFit
    );
    assert_eq!(
        link.sends(&syn(POD, FRIEND, (40_000, 443))),
        Reason::DoesNotFit
    );
}

#[test]
fn audit_lets_pass_what_would_be_dropped_and_does_not_track_it() {
    let mut link = Link::with(Endpoint::AUDIT);
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_000, 80))),
        Reason::AuditDenied
    );
    assert_eq!(link.memory.flows(), 0);
    assert_eq!(link.gets(&syn(FRIEND, POD, (40_000, 80))), Reason::Allowed);
}
