//! What packets say.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use enforcer_cluster::RunningPod;
use enforcer_lab::probe::{reach, udp_ask};
use enforcer_lab::{Namespace, Outcome, Protocol};

use super::common::{LONG, SHORT};

/// How long a connection may take while it is not known yet whether the policy has arrived.
const TRY: Duration = Duration::from_millis(900);

/// Who asks whom, and whether that is allowed.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) from: &'a Namespace,
    pub(crate) to: IpAddr,
    pub(crate) allowed: bool,
}

/// Whether one pod may reach the other.
pub(crate) fn may<'a>(from: &'a RunningPod, to: &RunningPod, allowed: bool) -> Question<'a> {
    Question {
        from,
        to: to.v4().unwrap(),
        allowed,
    }
}

/// Waits until all answers by TCP and UDP are right, and asks once more.
pub(crate) fn judge(step: &str, questions: &[Question<'_>]) {
    thread::scope(|scope| {
        for question in questions {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                scope.spawn(move || settle(step, *question, protocol));
            }
        }
    });
    stays(step, questions);
}

/// All answers are right now.
pub(crate) fn stays(step: &str, questions: &[Question<'_>]) {
    thread::scope(|scope| {
        for question in questions {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                scope.spawn(move || {
                    let patience = if question.allowed { LONG } else { SHORT };
                    let outcome = ask(*question, protocol, patience);
                    assert_eq!(outcome, expected(*question), "{}", words(step, question));
                });
            }
        }
    });
}

fn settle(step: &str, question: Question<'_>, protocol: Protocol) {
    let begin = Instant::now();
    while ask(question, protocol, TRY) != expected(question) {
        let what = words(step, &question);
        assert!(begin.elapsed() < LONG, "still not: {protocol:?}, {what}");
    }
}

fn ask(question: Question<'_>, protocol: Protocol, patience: Duration) -> Outcome {
    let Question { from, to, .. } = question;
    match protocol {
        Protocol::Udp => udp_ask(from, SocketAddr::new(to, 53), patience).unwrap(),
        _ => reach(from, None, SocketAddr::new(to, 80), protocol, patience).unwrap(),
    }
}

fn expected(question: Question<'_>) -> Outcome {
    if question.allowed {
        Outcome::Connected
    } else {
        Outcome::Timeout
    }
}

fn words(step: &str, question: &Question<'_>) -> String {
    let Question { from, to, allowed } = question;
    let from = from.path().file_name().unwrap_or_default().display();
    let verb = if *allowed {
        "reaches"
    } else {
        "does not reach"
    };
    format!("{step}: {from} {verb} {to}")
}
