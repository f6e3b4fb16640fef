//! What can be asked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::parse::number;
use enforcer_policy::api::DEFAULT_NAMESPACE;
use enforcer_policy::model::{PodKey, ServiceKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::source::manifests::closest;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Who connects: `NAMESPACE/POD`, `POD` in the namespace `default`, or an address.
    pub from: String,
    /// To whom, likewise; also `svc/NAMESPACE/NAME`. A port may follow behind a colon.
    pub to: String,
    /// `TCP`, `UDP`, `SCTP`, `ICMP` or an IANA protocol number.
    pub protocol: String,
    /// The destination port. Protocols without ports do not look at it.
    #[serde(default)]
    pub port: Option<u16>,
}

/// A question as it is written: one line of a batch.
#[derive(Deserialize)]
struct Line {
    from: String,
    to: String,
    #[serde(default)]
    protocol: Value,
    #[serde(default)]
    port: Value,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// Fields of a line that may be meant for one of the four.
const SLIPS: &[&str] = &[
    "frm",
    "src",
    "source",
    "dst",
    "dest",
    "destination",
    "prot",
    "proto",
    "port",
    "dport",
];

/// Why a question cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// A batch line is not a question.
    #[error(
        "{0}; a line is {{\"from\": \"NS/POD\", \"to\": \"NS/POD\", \"protocol\": \"TCP\", \"port\": 80}}"
    )]
    Line(String),
    /// Nobody knows the protocol.
    #[error("{0:?} is no protocol; use TCP, UDP, SCTP, ICMP or an IANA number from 0 to 255")]
    Protocol(String),
    /// Not a port number.
    #[error("{0:?} is no port; use a number from 0 to 65535")]
    Port(String),
    /// The protocol has ports and none is given.
    #[error("{0} needs a port: --port N, or \"port\": N in a batch")]
    PortMissing(&'static str),
    /// Neither a pod nor an address.
    #[error("{0:?} is neither NAMESPACE/POD nor an address")]
    Side(String),
    /// Not a service.
    #[error("{0:?} is no service; write svc/NAMESPACE/NAME")]
    Service(String),
    /// A service connects to nobody.
    #[error("{0} is a service, which connects to nobody; name one of its pods")]
    FromService(String),
    /// Two ports.
    #[error("{0:?} says another port than --port or \"port\"")]
    TwoPorts(String),
}

impl Question {
    /// The question with the port that stands behind its destination, if one does, in its place.
    pub(super) fn resolved(&self) -> Result<Self, QuestionError> {
        let Some((to, port)) = split_port(&self.to) else {
            return Ok(self.clone());
        };
        if self.port.is_some_and(|given| given != port) {
            return Err(QuestionError::TwoPorts(self.to.clone()));
        }
        Ok(Self {
            to: to.to_owned(),
            port: Some(port),
            ..self.clone()
        })
    }

    /// A question from a line of a batch.
    pub fn from_line(line: &str) -> Result<Self, QuestionError> {
        let line: Line =
            serde_json::from_str(line).map_err(|error| QuestionError::Line(error.to_string()))?;
        if let Some(slip) = line.other.keys().find(|field| is_slip(field)) {
            return Err(QuestionError::Line(format!("unknown field {slip:?}")));
        }
        Ok(Self {
            from: line.from,
            to: line.to,
            protocol: match line.protocol {
                Value::Null => "TCP".to_owned(),
                Value::String(name) => name,
                other => other.to_string(),
            },
            port: match line.port {
                Value::Null => None,
                Value::String(text) => Some(port(&text)?),
                other => Some(port(&other.to_string())?),
            },
        })
    }
}

/// An end without the port that may follow it, and the port.
fn split_port(text: &str) -> Option<(&str, u16)> {
    if text.parse::<IpAddr>().is_ok() {
        return None;
    }
    let (end, port) = text.rsplit_once(':')?;
    let bare = end.strip_prefix('[').and_then(|end| end.strip_suffix(']'));
    Some((bare.unwrap_or(end), port.parse().ok()?))
}

fn is_slip(field: &str) -> bool {
    let field = field.to_ascii_lowercase();
    let known = ["from", "to", "protocol", "port"];
    SLIPS.contains(&field.as_str()) || closest(&field, known).is_some()
}

fn port(text: &str) -> Result<u16, QuestionError> {
    let port = text.trim().parse();
    port.map_err(|_| QuestionError::Port(text.to_owned()))
}

/// One end of a connection, as it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Pod(PodKey),
    Address(IpAddr),
    Service(ServiceKey),
}

impl Side {
    pub(super) fn parse(text: &str) -> Result<Self, QuestionError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let service = ["svc/", "service/"].into_iter();
        let mut named = service.filter_map(|prefix| text.strip_prefix(prefix));
        // With one slash it is a pod of a namespace of that name.
        if let Some(name) = named.next().filter(|name| name.contains('/')) {
            return Self::service(name).ok_or_else(|| QuestionError::Service(text.to_owned()));
        }
        let (namespace, name) = text.split_once('/').unwrap_or((DEFAULT_NAMESPACE, text));
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(QuestionError::Side(text.to_owned()));
        }
        Ok(Self::Pod(PodKey {
            namespace: namespace.into(),
            name: name.into(),
        }))
    }

    fn service(name: &str) -> Option<Self> {
        let (namespace, name) = name.split_once('/')?;
        let whole = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
        whole.then(|| {
            Self::Service(ServiceKey {
                namespace: namespace.into(),
                name: name.into(),
            })
        })
    }
}

/// A protocol, with a port where it has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Tcp(u16),
    Udp(u16),
    Sctp(u16),
    /// An echo request of the family that the addresses are of.
    Echo,
    Other(u8),
}

impl Service {
    pub(super) fn parse(question: &Question) -> Result<Self, QuestionError> {
        let name = question.protocol.to_ascii_uppercase();
        let port = |protocol| question.port.ok_or(QuestionError::PortMissing(protocol));
        match name.as_str() {
            "TCP" => port("TCP").map(Self::Tcp),
            "UDP" => port("UDP").map(Self::Udp),
            "SCTP" => port("SCTP").map(Self::Sctp),
            "ICMP" | "ICMPV6" => Ok(Self::Echo),
            _ => match name.parse() {
                Ok(number::TCP) => port("TCP").map(Self::Tcp),
                Ok(number::UDP) => port("UDP").map(Self::Udp),
                Ok(number::SCTP) => port("SCTP").map(Self::Sctp),
                Ok(other) => Ok(Self::Other(other)),
                Err(_) => Err(QuestionError::Protocol(question.protocol.clone())),
            },
        }
    }

    /// The IANA number of the protocol between addresses of this one's family.
    pub(super) fn number(self, address: IpAddr) -> u8 {
        match self {
            Self::Tcp(_) => number::TCP,
            Self::Udp(_) => number::UDP,
            Self::Sctp(_) => number::SCTP,
            Self::Echo if address.is_ipv4() => number::ICMP,
            Self::Echo => number::ICMPV6,
            Self::Other(other) => other,
        }
    }

    pub(super) fn port(self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Udp(port) | Self::Sctp(port) => Some(port),
            Self::Echo | Self::Other(_) => None,
        }
    }

    /// The same protocol at another port.
    pub(super) fn at(self, port: u16) -> Self {
        match self {
            Self::Tcp(_) => Self::Tcp(port),
            Self::Udp(_) => Self::Udp(port),
            Self::Sctp(_) => Self::Sctp(port),
            Self::Echo | Self::Other(_) => self,
        }
    }

    /// The name in answers.
    pub(super) fn name(self) -> String {
        match self {
            Self::Tcp(_) => "TCP".to_owned(),
            Self::Udp(_) => "UDP".to_owned(),
            Self::Sctp(_) => "SCTP".to_owned(),
            Self::Echo => "ICMP".to_owned(),
            Self::Other(other) => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(protocol: &str, port: Option<u16>) -> Question {
        Question {
            from: "a".into(),
            to: "b".into(),
            protocol: protocol.into(),
            port,
        }
    }

    #[test]
    fn a_pod_without_namespace_is_in_default() {
        let pod = PodKey {
            namespace: "default".into(),
            name: "web".into(),
        };
        assert_eq!(Side::parse("web"), Ok(Side::Pod(pod.clone())));
        assert_eq!(Side::parse("default/web"), Ok(Side::Pod(pod)));
    }

    #[test]
    fn a_service_has_a_namespace_and_a_name() {
        let key = ServiceKey {
            namespace: "shop".into(),
            name: "web".into(),
        };
        for text in ["svc/shop/web", "service/shop/web"] {
            assert_eq!(Side::parse(text), Ok(Side::Service(key.clone())));
        }
        for text in ["svc/shop/", "svc//web", "svc/a/b/c"] {
            let error = QuestionError::Service(text.to_owned());
            assert_eq!(Side::parse(text), Err(error));
        }
        let pod = PodKey {
            namespace: "svc".into(),
            name: "web".into(),
        };
        assert_eq!(Side::parse("svc/web"), Ok(Side::Pod(pod)));
    }

    #[test]
    fn a_port_may_stand_behind_the_destination() {
        let resolved = |to: &str, port| {
            let asked = Question {
                to: to.into(),
                ..question("TCP", port)
            };
            asked.resolved().map(|it| (it.to, it.port))
        };
        for (text, to) in [
            ("svc/a/b:80", "svc/a/b"),
            ("a/b:80", "a/b"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("[fd00::1]:80", "fd00::1"),
        ] {
            assert_eq!(resolved(text, None), Ok((to.to_owned(), Some(80))));
            assert_eq!(resolved(text, Some(80)), Ok((to.to_owned(), Some(80))));
            let twice = QuestionError::TwoPorts(text.to_owned());
            assert_eq!(resolved(text, Some(81)), Err(twice));
        }
        assert_eq!(resolved("fd00::1", None), Ok(("fd00::1".into(), None)));
    }

    #[test]
    fn an_address_is_an_address() {
        for text in ["10.0.0.1", "fd00::1"] {
            assert_eq!(Side::parse(text), Ok(Side::Address(text.parse().unwrap())));
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address() {
        let plain = Side::Address("10.0.0.1".parse().unwrap());
        assert_eq!(Side::parse("::ffff:10.0.0.1"), Ok(plain));
    }

    #[test]
    fn half_a_name_is_no_side() {
        for text in ["", "/web", "default/", "a/b/c"] {
            assert_eq!(Side::parse(text), Err(QuestionError::Side(text.into())));
        }
    }

    #[test]
    fn protocols_with_ports_need_one() {
        for name in ["TCP", "udp", "132"] {
            let error = Service::parse(&question(name, None)).unwrap_err();
            assert!(matches!(error, QuestionError::PortMissing(_)), "{error}");
        }
        assert_eq!(
            Service::parse(&question("sctp", Some(7))),
            Ok(Service::Sctp(7))
        );
    }

    #[test]
    fn icmp_is_an_echo_of_either_family() {
        let echo = Service::parse(&question("ICMP", None)).unwrap();
        assert_eq!(echo.number("10.0.0.1".parse().unwrap()), 1);
        assert_eq!(echo.number("fd00::1".parse().unwrap()), 58);
    }

    #[test]
    fn a_line_with_a_misspelt_field_is_refused_by_its_name() {
        for slip in ["prot", "protocl", "Port", "dport", "source"] {
            let line = format!(r#"{{"from": "a", "to": "b", "{slip}": 80}}"#);
            let error = Question::from_line(&line).unwrap_err();
            assert!(error.to_string().contains(slip), "{error}");
        }
    }

    #[test]
    fn a_line_may_carry_what_its_writer_needs() {
        let line = r#"{"id": 7, "expected": "deny", "from": "a", "to": "b", "port": 80}"#;
        assert_eq!(Question::from_line(line), Ok(question("TCP", Some(80))));
    }

    #[test]
    fn port_and_protocol_may_be_numbers_or_text() {
        for (protocol, port) in [("6", "80"), ("\"6\"", "\"80\"")] {
            let line =
                format!(r#"{{"from": "a", "to": "b", "protocol": {protocol}, "port": {port}}}"#);
            assert_eq!(Question::from_line(&line), Ok(question("6", Some(80))));
        }
        for port in ["70000", "-1", "8.5", "\"http\"", "[80]", "true"] {
            let line = format!(r#"{{"from": "a", "to": "b", "port": {port}}}"#);
            let error = Question::from_line(&line).unwrap_err();
            assert!(matches!(error, QuestionError::Port(_)), "{error}");
        }
    }

    #[test]
    fn a_line_may_leave_out_protocol_and_port() {
        for line in [
            r#"{"from": "a", "to": "b"}"#,
            r#"{"from": "a", "to": "b", "protocol": null, "port": null}"#,
        ] {
            assert_eq!(Question::from_line(line), Ok(question("TCP", None)));
        }
    }
}
