use jiff::Timestamp;

use super::*;
use crate::connectivity::attempt::Attempt;
use crate::connectivity::cases::{Client, Port, Server};
use crate::connectivity::stage::ClientPod;

const WHO: ClientPod = ClientPod {
    client: Client::Friend,
    node: 0,
};

fn cell(port: u16, allowed: bool) -> Cell {
    Cell {
        from: WHO,
        server: Server::Blue,
        port: Port::Web,
        target: format!("tcp://10.0.0.1:{port}").parse().unwrap(),
        allowed,
        expectation: 0,
    }
}

/// What a client saw at one port, from one moment on, ten after each other.
fn saw(evidence: &mut Evidence, port: u16, outcomes: &[Outcome], mut begin: Moment) {
    for outcome in outcomes {
        let attempt = Attempt {
            begin: Timestamp::from_microsecond(begin).unwrap(),
            micros: 0,
            to: cell(port, true).target,
            outcome: *outcome,
            error: None,
        };
        evidence.take(WHO, attempt, begin);
        begin += 10;
    }
}

use Outcome::{Connected, Refused, Timeout};

#[test]
fn a_case_holds_when_what_is_denied_is_silent_and_the_rest_passes_meanwhile() {
    let mut evidence = Evidence::default();
    let cells = [cell(1, false), cell(2, true)];
    saw(
        &mut evidence,
        1,
        &[Connected, Timeout, Timeout, Timeout],
        100,
    );
    saw(
        &mut evidence,
        2,
        &[Connected, Connected, Connected, Connected],
        100,
    );
    assert_eq!(judge(&evidence, &cells, 100), [true, true]);
}

#[test]
fn what_passed_only_before_the_policy_counted_proves_nothing() {
    let mut evidence = Evidence::default();
    let cells = [cell(1, false), cell(2, true)];
    saw(&mut evidence, 1, &[Timeout; 3], 200);
    saw(&mut evidence, 2, &[Connected; 3], 100);
    assert_eq!(judge(&evidence, &cells, 100), [true, false]);
    saw(&mut evidence, 2, &[Connected; 3], 200);
    assert_eq!(judge(&evidence, &cells, 100), [true, true]);
}

#[test]
fn a_reset_is_no_denial_and_no_connection() {
    let mut evidence = Evidence::default();
    let cells = [cell(1, false), cell(1, true)];
    saw(&mut evidence, 1, &[Refused; 5], 100);
    assert_eq!(judge(&evidence, &cells, 100), [false, false]);
}

#[test]
fn what_nobody_tried_is_not_as_expected() {
    let cells = [cell(1, false), cell(2, true)];
    assert_eq!(judge(&Evidence::default(), &cells, 0), [false, false]);
    assert!(!all_pass(&Evidence::default(), &cells, 0));
}

#[test]
fn what_passes_is_told_apart_from_what_should_not() {
    let mut evidence = Evidence::default();
    let cells = [cell(1, false), cell(2, true)];
    saw(&mut evidence, 1, &[Connected; 5], 100);
    saw(&mut evidence, 2, &[Connected; 5], 100);
    assert_eq!(judge(&evidence, &cells, 100), [false, true]);
}
