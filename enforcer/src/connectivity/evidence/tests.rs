use jiff::Timestamp;

use super::*;
use crate::connectivity::cases::Client;

const WHO: ClientPod = ClientPod {
    client: Client::Friend,
    node: 0,
};

fn target() -> Target {
    "tcp://10.0.0.1:80".parse().unwrap()
}

/// An attempt of a client whose clock shows `begin` then.
fn attempt(begin: Moment, micros: u64, outcome: Outcome) -> Attempt {
    Attempt {
        begin: Timestamp::from_microsecond(begin).unwrap(),
        micros,
        to: target(),
        outcome,
        error: None,
    }
}

#[test]
fn only_the_last_attempts_count_and_all_of_them_must_agree() {
    let mut evidence = Evidence::default();
    let pair = (WHO, target());
    let agree = |evidence: &Evidence| evidence.agree(pair, Outcome::Timeout, 0, 2);
    evidence.take(WHO, attempt(100, 0, Outcome::Connected), 100);
    evidence.take(WHO, attempt(200, 0, Outcome::Timeout), 200);
    assert_eq!(agree(&evidence), None, "the last two differ");
    evidence.take(WHO, attempt(300, 0, Outcome::Timeout), 300);
    assert_eq!(agree(&evidence), Some(200));
    evidence.take(WHO, attempt(400, 0, Outcome::Refused), 400);
    assert_eq!(agree(&evidence), None, "refused is not silent");
}

#[test]
fn attempts_before_a_moment_do_not_count() {
    let mut evidence = Evidence::default();
    let pair = (WHO, target());
    for begin in [100, 200, 300] {
        evidence.take(WHO, attempt(begin, 0, Outcome::Timeout), begin);
    }
    assert_eq!(evidence.agree(pair, Outcome::Timeout, 200, 2), Some(200));
    assert_eq!(evidence.agree(pair, Outcome::Timeout, 201, 2), None);
}

#[test]
fn attempts_are_in_the_order_in_which_they_began() {
    let mut evidence = Evidence::default();
    let pair = (WHO, target());
    evidence.take(WHO, attempt(300, 10, Outcome::Connected), 310);
    // It began before the other and waited in vain.
    evidence.take(WHO, attempt(100, 1000, Outcome::Timeout), 1100);
    assert_eq!(evidence.agree(pair, Outcome::Connected, 0, 1), Some(300));
}

#[test]
fn a_client_may_have_another_clock() {
    let mut evidence = Evidence::default();
    let pair = (WHO, target());
    let ahead = 5_000_000;
    // The second line comes quicker, so it says better how the clocks differ.
    evidence.take(WHO, attempt(ahead + 100, 10, Outcome::Timeout), 900);
    evidence.take(WHO, attempt(ahead + 1000, 10, Outcome::Timeout), 1010);
    let begins: Vec<Moment> = evidence.since(pair, 0).map(|(begin, _)| begin).collect();
    assert_eq!(begins, [100, 1000]);
}

#[test]
fn a_line_that_comes_again_counts_once() {
    let mut evidence = Evidence::default();
    let pair = (WHO, target());
    for _ in 0..3 {
        evidence.take(WHO, attempt(100, 0, Outcome::Timeout), 100);
    }
    let once = [(Outcome::Timeout, 1)].into();
    assert_eq!(evidence.counts(pair, 0), once);
}
