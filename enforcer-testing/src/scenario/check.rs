//! Expectations, one connection at a time.

use std::fmt;

use enforcer_policy::oracle::{Answer, Objects, Part, Question, ServiceQuestion, Side, Target};
use serde::Deserialize;

use super::file::{Expectation, Matrix, OneOrMore};
use super::service_check::{self, Expected, ServiceCheck, Word};

/// Whether a connection can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It can.
    Allow,
    /// It cannot.
    Deny,
}

/// One connection and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The connection.
    pub question: Question,
    /// What must become of it.
    pub verdict: Verdict,
    /// A policy (`NAMESPACE/NAME`) that must be among those that allow or that isolate.
    pub why: Option<String>,
}

/// What cannot be understood.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) problem: &'static str,
    pub(super) text: String,
}

impl Check {
    /// Whether an answer is the expected one, the policy included.
    pub fn holds_for(&self, answer: &Answer) -> bool {
        let verdict_holds = answer.allowed() == (self.verdict == Verdict::Allow);
        let mentions = |why: &String| mentions(answer, self.verdict, why);
        verdict_holds && self.why.as_ref().is_none_or(mentions)
    }
}

/// Whether a policy is among those that allow, or that isolate the end that denies.
pub(super) fn mentions(answer: &Answer, verdict: Verdict, why: &String) -> bool {
    let deciding = |part: &Part| match (part, verdict) {
        (Part::Allowed { by }, Verdict::Allow) => by.contains(why),
        (Part::Denied { isolating }, Verdict::Deny) => isolating.contains(why),
        _ => false,
    };
    [&answer.egress, &answer.ingress].into_iter().any(deciding)
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Question {
            from,
            to,
            protocol,
            port,
        } = &self.question;
        write!(
            f,
            "{} → {} protocol {protocol} port {port}: {:?}",
            Shown(from),
            Shown(to),
            self.verdict
        )
    }
}

pub(super) struct Shown<'a>(pub(super) &'a Side);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Side::Pod(namespace, name) => write!(f, "{namespace}/{name}"),
            Side::Address(address) => address.fmt(f),
        }
    }
}

/// Checks of plain connections, and of connections to services.
pub(super) type Checks = (Vec<Check>, Vec<ServiceCheck>);

pub(super) fn all(
    objects: &Objects,
    expect: &[Expectation],
    matrix: &[Matrix],
) -> Result<Checks, Bad> {
    let mut all = Checks::default();
    for expectation in expect {
        from_expectation(objects, expectation, &mut all)?;
    }
    for matrix in matrix {
        from_matrix(objects, matrix, &mut all)?;
    }
    Ok(all)
}

fn from_expectation(
    objects: &Objects,
    expectation: &Expectation,
    all: &mut Checks,
) -> Result<(), Bad> {
    let name = expectation.protocol.as_deref().unwrap_or("TCP");
    let ports = expectation.port.as_ref().map(OneOrMore::as_slice);
    for from in expectation.from.as_slice() {
        for to in expectation.to.as_slice() {
            // Protocols without ports are asked about once.
            for port in ports.unwrap_or(&[0]) {
                let given = ports.is_some().then_some(*port);
                let asked = asked(objects, from, to, name, given)?;
                let expected = expected(expectation)?;
                push(asked, expected, expectation.why.clone(), all)?;
            }
        }
    }
    Ok(())
}

fn expected(expectation: &Expectation) -> Result<Expected, Bad> {
    match (expectation.verdict, &expectation.backends) {
        (Some(word), None) => Ok(Expected::from(word)),
        (None, Some(backends)) => service_check::backends(backends),
        _ => Err(bad("an expectation has a verdict or backends", "expect")),
    }
}

fn from_matrix(objects: &Objects, matrix: &Matrix, all: &mut Checks) -> Result<(), Bad> {
    for (from, row) in &matrix.rows {
        let verdicts: Vec<&str> = row.split_whitespace().collect();
        if verdicts.len() != matrix.to.len() {
            return Err(bad("row and columns are not equally many", row));
        }
        for (column, text) in matrix.to.iter().zip(verdicts) {
            let words: Vec<&str> = column.split_whitespace().collect();
            let (to, protocol, port) = match words.as_slice() {
                [to, protocol] => (to, protocol, None),
                [to, protocol, port] => (to, protocol, Some(number(port)?)),
                _ => return Err(bad("a column is SIDE PROTOCOL PORT", column)),
            };
            let asked = asked(objects, from, to, protocol, port)?;
            push(asked, Expected::from(word(text)?), None, all)?;
        }
    }
    Ok(())
}

fn push(
    asked: Asked,
    expected: Expected,
    why: Option<String>,
    (plain, services): &mut Checks,
) -> Result<(), Bad> {
    match (asked, expected) {
        (Asked::Service(question), expected) => services.push(ServiceCheck {
            question,
            expected,
            why,
        }),
        (Asked::Plain(question), Expected::All(verdict)) => plain.push(Check {
            question,
            verdict,
            why,
        }),
        (Asked::Plain(question), _) => {
            let text = format!("{question:?}");
            return Err(bad("only services have backends", &text));
        }
    }
    Ok(())
}

/// What is asked about.
enum Asked {
    Plain(Question),
    Service(ServiceQuestion),
}

/// A connection to a service is meant by its name, and by its address together with one of its ports.
fn asked(
    objects: &Objects,
    from: &str,
    to: &str,
    name: &str,
    port: Option<u16>,
) -> Result<Asked, Bad> {
    let service = match to.strip_prefix("svc/") {
        None => None,
        Some(name) => Some(
            name.split_once('/')
                .ok_or_else(|| bad("a service is svc/NAMESPACE/NAME", to))?,
        ),
    };
    let (protocol, port) = (protocol(name, port)?, port.unwrap_or_default());
    let from = side(from)?;
    let target = match (service, to.parse()) {
        (Some((namespace, name)), _) => Target::Name(namespace.to_owned(), name.to_owned()),
        (None, Ok(address)) if objects.is_service(&from, address, protocol, port) => {
            Target::Address(address)
        }
        (None, _) => {
            return Ok(Asked::Plain(Question {
                from,
                to: side(to)?,
                protocol,
                port,
            }));
        }
    };
    Ok(Asked::Service(ServiceQuestion {
        from,
        to: target,
        protocol,
        port,
    }))
}

fn protocol(name: &str, port: Option<u16>) -> Result<u8, Bad> {
    let (protocol, has_ports) = match name {
        "TCP" => (6, true),
        "UDP" => (17, true),
        "SCTP" => (132, true),
        "ICMP" => (1, false),
        "ICMPv6" => (58, false),
        other => {
            let number = other.parse().map_err(|_| bad("not a protocol", other))?;
            (number, false)
        }
    };
    if has_ports != port.is_some() {
        return Err(bad("TCP, UDP and SCTP need a port, others have none", name));
    }
    Ok(protocol)
}

fn side(text: &str) -> Result<Side, Bad> {
    if let Ok(address) = text.parse() {
        return Ok(Side::Address(address));
    }
    match text.split_once('/') {
        Some((namespace, name)) => Ok(Side::Pod(namespace.to_owned(), name.to_owned())),
        None => Err(bad("neither NAMESPACE/POD nor an address", text)),
    }
}

fn number(text: &str) -> Result<u16, Bad> {
    text.parse().map_err(|_| bad("not a port", text))
}

fn word(text: &str) -> Result<Word, Bad> {
    match text {
        "allow" => Ok(Word::Allow),
        "deny" => Ok(Word::Deny),
        "no-backend" => Ok(Word::NoBackend),
        _ => Err(bad("a verdict is allow or deny, or no-backend", text)),
    }
}

pub(super) fn bad(problem: &'static str, text: &str) -> Bad {
    Bad {
        problem,
        text: text.to_owned(),
    }
}
