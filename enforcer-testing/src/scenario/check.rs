//! Expectations, one connection at a time.

use std::fmt;

use enforcer_policy::oracle::{Answer, Part, Question, Side};
use serde::Deserialize;

use super::file::{Expectation, Matrix, OneOrMore};

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
        let mentions = |why: &String| {
            [&answer.egress, &answer.ingress]
                .into_iter()
                .any(|part| self.deciding(part).contains(why))
        };
        verdict_holds && self.why.as_ref().is_none_or(mentions)
    }

    fn deciding<'a>(&self, part: &'a Part) -> &'a [String] {
        match (part, self.verdict) {
            (Part::Allowed { by }, Verdict::Allow) => by,
            (Part::Denied { isolating }, Verdict::Deny) => isolating,
            _ => &[],
        }
    }
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

struct Shown<'a>(&'a Side);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Side::Pod(namespace, name) => write!(f, "{namespace}/{name}"),
            Side::Address(address) => address.fmt(f),
        }
    }
}

pub(super) fn all(expect: &[Expectation], matrix: &[Matrix]) -> Result<Vec<Check>, Bad> {
    let mut checks = Vec::new();
    for expectation in expect {
        checks.extend(from_expectation(expectation)?);
    }
    for matrix in matrix {
        checks.extend(from_matrix(matrix)?);
    }
    Ok(checks)
}

fn from_expectation(expectation: &Expectation) -> Result<Vec<Check>, Bad> {
    let name = expectation.protocol.as_deref().unwrap_or("TCP");
    let ports = expectation.port.as_ref().map(OneOrMore::as_slice);
    let mut checks = Vec::new();
    for from in expectation.from.as_slice() {
        for to in expectation.to.as_slice() {
            // Protocols without ports are asked about once.
            for port in ports.unwrap_or(&[0]) {
                let given = ports.is_some().then_some(*port);
                checks.push(Check {
                    question: question(from, to, name, given)?,
                    verdict: expectation.verdict,
                    why: expectation.why.clone(),
                });
            }
        }
    }
    Ok(checks)
}

fn from_matrix(matrix: &Matrix) -> Result<Vec<Check>, Bad> {
    let mut checks = Vec::new();
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
            checks.push(Check {
                question: question(from, to, protocol, port)?,
                verdict: verdict(text)?,
                why: None,
            });
        }
    }
    Ok(checks)
}

fn question(from: &str, to: &str, name: &str, port: Option<u16>) -> Result<Question, Bad> {
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
    Ok(Question {
        from: side(from)?,
        to: side(to)?,
        protocol,
        port: port.unwrap_or_default(),
    })
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

fn verdict(text: &str) -> Result<Verdict, Bad> {
    match text {
        "allow" => Ok(Verdict::Allow),
        "deny" => Ok(Verdict::Deny),
        _ => Err(bad("a verdict is allow or deny", text)),
    }
}

fn bad(problem: &'static str, text: &str) -> Bad {
    Bad {
        problem,
        text: text.to_owned(),
    }
}
