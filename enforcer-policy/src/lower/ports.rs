//! `ports` of a rule.

use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::syntax;
use crate::invalid::{Invalid, Problem};
use crate::rule::{PortMatch, PortSpec, Ports, Protocol};

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// The ports at `path`; a missing or empty list means all, protocols without ports included.
pub(super) fn ports(
    list: Option<&[NetworkPolicyPort]>,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Ports {
    let list = list.unwrap_or_default();
    if list.is_empty() {
        return Ports::Any;
    }
    let entries = list.iter().enumerate();
    let matches = entries.filter_map(|(index, entry)| {
        let path = format!("{path}[{index}]");
        let protocol = protocol(entry.protocol.as_deref(), &path, invalid);
        let port = port(entry, &path, invalid);
        Some(PortMatch {
            protocol: protocol?,
            port: port?,
        })
    });
    Ports::Of(matches.collect())
}

/// The protocol of the port entry at `path`: TCP unless it says otherwise. The names are
/// upper case, and nothing else.
pub(crate) fn protocol(
    name: Option<&str>,
    path: &str,
    invalid: &mut Vec<Invalid>,
) -> Option<Protocol> {
    let Some(name) = name else {
        return Some(Protocol::Tcp);
    };
    let protocol = Protocol::ALL.into_iter().find(|one| one.name() == name);
    if protocol.is_none() {
        let found = name.to_owned();
        let known = PROTOCOLS;
        let problem = Problem::NotOneOf { found, known };
        invalid.push(Invalid::new(format!("{path}.protocol"), problem));
    }
    protocol
}

fn port(entry: &NetworkPolicyPort, path: &str, invalid: &mut Vec<Invalid>) -> Option<PortSpec> {
    match (&entry.port, entry.end_port) {
        (None, None) => Some(PortSpec::All),
        (None, Some(end)) => {
            invalid.push(end_port(path, end, "needs a port beside it"));
            None
        }
        (Some(IntOrString::String(name)), end) => named(name, end, path, invalid),
        (Some(IntOrString::Int(first)), end) => range(*first, end, path, invalid),
    }
}

fn named(name: &str, end: Option<i32>, path: &str, invalid: &mut Vec<Invalid>) -> Option<PortSpec> {
    if let Some(end) = end {
        invalid.push(end_port(path, end, "cannot stand beside a port name"));
    }
    if syntax::is_port_name(name) {
        return Some(PortSpec::Named(name.into()));
    }
    let problem = Problem::NotAPortName(name.to_owned());
    invalid.push(Invalid::new(format!("{path}.port"), problem));
    None
}

fn range(first: i32, end: Option<i32>, path: &str, invalid: &mut Vec<Invalid>) -> Option<PortSpec> {
    let low = number(first, &format!("{path}.port"), invalid);
    let Some(end) = end else {
        return low.map(|low| PortSpec::Range(low, low));
    };
    let high = number(end, &format!("{path}.endPort"), invalid);
    if high.is_some() && end < first {
        invalid.push(end_port(path, end, "is below the port"));
        return None;
    }
    Some(PortSpec::Range(low?, high?))
}

fn number(number: i32, field: &str, invalid: &mut Vec<Invalid>) -> Option<u16> {
    let port = syntax::port_number(number);
    if port.is_none() {
        let problem = Problem::PortOutOfRange(number.into());
        invalid.push(Invalid::new(field, problem));
    }
    port
}

fn end_port(path: &str, end: i32, why: &'static str) -> Invalid {
    let end = end.into();
    Invalid::new(format!("{path}.endPort"), Problem::EndPort { end, why })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (Ports, Vec<Invalid>) {
        let mut invalid = Vec::new();
        let list: Option<Vec<NetworkPolicyPort>> = serde_json::from_value(value).unwrap();
        let ports = ports(list.as_deref(), "ports", &mut invalid);
        (ports, invalid)
    }

    fn one(value: &Value) -> PortMatch {
        match read(json!([value])) {
            (Ports::Of(mut list), invalid) if invalid.is_empty() => list.remove(0),
            other => panic!("{value}: {other:?}"),
        }
    }

    fn refused(value: &Value) -> (String, &'static str) {
        let (_, invalid) = read(json!([value]));
        assert_eq!(invalid.len(), 1, "{value}: {invalid:?}");
        (invalid[0].field.clone(), invalid[0].problem.code())
    }

    #[test]
    fn a_missing_or_empty_list_means_all_ports() {
        assert_eq!(read(Value::Null), (Ports::Any, vec![]));
        assert_eq!(read(json!([])), (Ports::Any, vec![]));
    }

    #[test]
    fn the_protocol_is_tcp_unless_named_in_upper_case() {
        assert_eq!(one(&json!({"port": 80})).protocol, Protocol::Tcp);
        for protocol in Protocol::ALL {
            let entry = json!({"protocol": protocol.name()});
            assert_eq!(one(&entry).protocol, protocol);
            assert_eq!(one(&entry).port, PortSpec::All);
        }
        for bad in ["tcp", "ICMP", ""] {
            assert_eq!(
                refused(&json!({"protocol": bad})),
                ("ports[0].protocol".into(), "unknown-value")
            );
        }
    }

    #[test]
    fn an_empty_entry_means_all_tcp_ports() {
        assert_eq!(
            one(&json!({})),
            PortMatch {
                protocol: Protocol::Tcp,
                port: PortSpec::All
            }
        );
    }

    #[test]
    fn a_port_is_a_number_a_range_or_a_name() {
        assert_eq!(one(&json!({"port": 80})).port, PortSpec::Range(80, 80));
        assert_eq!(
            one(&json!({"port": 1, "endPort": 65535})).port,
            PortSpec::Range(1, 65535)
        );
        assert_eq!(
            one(&json!({"port": 80, "endPort": 80})).port,
            PortSpec::Range(80, 80)
        );
        assert_eq!(
            one(&json!({"port": "http"})).port,
            PortSpec::Named("http".into())
        );
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in [0, -1, 65536] {
            let entry = json!({"port": bad});
            assert_eq!(refused(&entry), ("ports[0].port".into(), "bad-port"));
        }
        for bad in ["80", "", "UPPER", "a-very-long-port-name"] {
            let entry = json!({"port": bad});
            assert_eq!(refused(&entry), ("ports[0].port".into(), "bad-port-name"));
        }
    }

    #[test]
    fn an_end_port_needs_a_number_that_is_not_above_it() {
        for bad in [
            json!({"endPort": 90}),
            json!({"port": "http", "endPort": 90}),
            json!({"port": 91, "endPort": 90}),
        ] {
            assert_eq!(refused(&bad), ("ports[0].endPort".into(), "bad-end-port"));
        }
        assert_eq!(
            refused(&json!({"port": 91, "endPort": 65536})),
            ("ports[0].endPort".into(), "bad-port")
        );
    }
}
