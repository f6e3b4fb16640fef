//! One attempt to reach something, as a probe writes it down.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a target is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A new TCP connection, over which something goes and comes back.
    Tcp,
    /// A datagram from a new port, and its answer.
    Udp,
    /// The same TCP connection every time; a new one where it is broken.
    Kept,
}

impl Way {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Tcp, "tcp"), (Self::Udp, "udp"), (Self::Kept, "kept")];
}

/// What a probe tries: `tcp://10.0.0.1:8080`, `udp://[fd00::1]:5353`, `kept://10.0.0.1:8080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How.
    pub way: Way,
    /// Where.
    pub address: SocketAddr,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Way::ALL.iter().filter(|(way, _)| *way == self.way);
        let name = names.map(|(_, name)| *name).next().unwrap_or_default();
        write!(f, "{name}://{}", self.address)
    }
}

/// Words that mean no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no target: write tcp://ADDRESS:PORT, udp://ADDRESS:PORT or kept://ADDRESS:PORT")]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError(text.to_owned());
        let (name, address) = text.split_once("://").ok_or_else(wrong)?;
        let way = Way::ALL.iter().find(|(_, known)| *known == name);
        Ok(Self {
            way: way.ok_or_else(wrong)?.0,
            address: address.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Something came back.
    Connected,
    /// Nothing came back in time: what a dropped packet looks like.
    Timeout,
    /// Somebody answered that it is not wanted (a reset, ICMP port unreachable).
    Refused,
    /// Somebody answered that there is no way (ICMP, or the own routes).
    Unreachable,
    /// The probe itself could not try.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "connected",
            Self::Timeout => "no answer",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Failed => "could not try",
        })
    }
}

/// One line of a probe's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, by the probe's clock.
    pub begin: Timestamp,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What was tried.
    pub to: Target,
    /// What came of it.
    pub outcome: Outcome,
    /// Why the probe could not try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_written() {
        for text in [
            "tcp://10.0.0.1:80",
            "udp://[fd00::1]:5353",
            "kept://10.0.0.1:8080",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for wrong in ["10.0.0.1:80", "icmp://10.0.0.1:80", "tcp://web:80", ""] {
            let error = wrong.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("tcp://ADDRESS:PORT"), "{error}");
        }
    }

    #[test]
    fn an_attempt_is_one_line_of_json() {
        let attempt = Attempt {
            begin: "2026-11-22T01:02:03.000004Z".parse().unwrap(),
            micros: 900,
            to: "tcp://10.0.0.1:80".parse().unwrap(),
            outcome: Outcome::Refused,
            error: None,
        };
        let line = serde_json::to_string(&attempt).unwrap();
        assert_eq!(
            line,
            r#"{"begin":"2026-11-22T01:02:03.000004Z","micros":900,"to":"tcp://10.0.0.1:80","outcome":"refused"}"#
        );
        assert_eq!(serde_json::from_str::<Attempt>(&line).unwrap(), attempt);
    }
}
