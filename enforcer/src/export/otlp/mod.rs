//! Records in the data model of `OpenTelemetry`, by the names of its semantic conventions where these have any.
//! `docs/export.md` lists all attributes.

mod data;
mod side;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use enforcer_flows::record::direction_name;
use enforcer_flows::{Kind, Protocol, Record, RuleName};
use enforcer_policy::intern::Name;
use jiff::Timestamp;

use self::data::{
    AnyValue, Attributes, LogRecord, LogsData, Resource, ResourceLogs, Scope, ScopeLogs,
};
use super::form::Missed;

/// The version of the semantic conventions whose names are used.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

/// Numbers and names of severities.
const INFO: (u8, &str) = (9, "INFO");
const WARN: (u8, &str) = (13, "WARN");

/// A record.
pub(super) fn of_record(record: &Record) -> LogsData {
    let severity = match record.kind {
        Kind::Denied => WARN,
        Kind::Opened | Kind::Audited | Kind::Closed => INFO,
    };
    let node = record.context.node.as_ref().map(Name::as_str);
    let event = format!("enforcer.flow.{}", record.kind.name());
    whole(
        node,
        log(
            record.time,
            severity,
            event,
            record.to_string(),
            attributes(record),
        ),
    )
}

/// Records that were missed.
pub(super) fn of_missed(missed: &Missed<'_>) -> LogsData {
    let mut attributes = Attributes::default();
    attributes.number("enforcer.missed", missed.records);
    let body = format!("{} records came too fast to be looked at", missed.records);
    let event = "enforcer.flow.missed".to_owned();
    whole(missed.node, log(missed.time, WARN, event, body, attributes))
}

fn log(
    time: Timestamp,
    (severity_number, severity_text): (u8, &'static str),
    event_name: String,
    body: String,
    attributes: Attributes,
) -> LogRecord {
    let nanoseconds = time.as_nanosecond().max(0).to_string();
    LogRecord {
        time_unix_nano: nanoseconds.clone(),
        observed_time_unix_nano: nanoseconds,
        severity_number,
        severity_text,
        body: AnyValue::Text(body),
        attributes,
        event_name,
    }
}

fn whole(node: Option<&str>, record: LogRecord) -> LogsData {
    let mut resource = Attributes::default();
    resource.text("service.name", "enforcer");
    resource.text("service.version", env!("CARGO_PKG_VERSION"));
    if let Some(node) = node {
        resource.text("k8s.node.name", node);
    }
    LogsData {
        resource_logs: [ResourceLogs {
            resource: Resource {
                attributes: resource,
            },
            scope_logs: [ScopeLogs {
                scope: Scope {
                    name: "enforcer.flows",
                    version: env!("CARGO_PKG_VERSION"),
                },
                log_records: [record],
            }],
            schema_url: SCHEMA,
        }],
    }
}

fn attributes(record: &Record) -> Attributes {
    let mut all = Attributes::default();
    all.number("enforcer.sequence", record.sequence);
    all.text("enforcer.verdict", record.verdict().name());
    all.text("enforcer.reason", record.reason.name());
    all.text("enforcer.direction", direction_name(record.direction));
    all.text("enforcer.hook", direction_name(record.hook));
    network(&mut all, record);
    side::put(&mut all, "source", &record.source);
    side::put(&mut all, "destination", &record.destination);
    let context = &record.context;
    if let Some(pod) = &context.endpoint {
        all.text("k8s.namespace.name", &pod.namespace);
        all.text("k8s.pod.name", &pod.name);
    }
    all.list("enforcer.policies", context.policies.iter());
    if let Some(rule) = &context.allowed_by {
        rule_name(&mut all, "enforcer.allowed_by", rule);
    }
    if let Some(nearest) = &context.nearest {
        rule_name(&mut all, "enforcer.nearest", &nearest.rule);
        all.list("enforcer.nearest.lacks", &nearest.lacks);
    }
    all.number("enforcer.count", record.count);
    all.number("enforcer.length", record.length);
    if let Some(total) = &record.total {
        all.number("enforcer.total.packets", total.packets);
        all.number("enforcer.total.bytes", total.bytes);
        all.number("enforcer.total.duration_ns", total.duration);
    }
    all
}

fn network(all: &mut Attributes, record: &Record) {
    let address = record.source.address.or(record.destination.address);
    match address {
        Some(IpAddr::V4(_)) => all.text("network.type", "ipv4"),
        Some(IpAddr::V6(_)) => all.text("network.type", "ipv6"),
        None => {}
    }
    let transports = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];
    if transports.contains(&record.protocol) {
        let name = record.protocol.to_string().to_lowercase();
        all.text("network.transport", &name);
    }
    all.text("enforcer.protocol", &record.protocol);
    if let Some(icmp) = &record.icmp {
        all.number("enforcer.icmp.type", icmp.kind);
        all.number("enforcer.icmp.code", icmp.code);
    }
    if let Some(flags) = &record.flags {
        all.text("enforcer.flags", flags);
    }
}

fn rule_name(all: &mut Attributes, key: &str, rule: &RuleName) {
    all.text(format!("{key}.policy"), &rule.policy);
    all.text(format!("{key}.rule"), &rule.rule);
}
