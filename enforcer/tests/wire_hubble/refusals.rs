//! What is not answered says so, and is never more flows than were asked for.

use crate::world::World;

/// Options, and the field by whose name they are refused.
const REFUSED: &[(&str, &str)] = &[
    ("--fqdn example.com", "_fqdn"),
    ("--from-fqdn example.com", "source_fqdn"),
    ("--to-fqdn example.com", "destination_fqdn"),
    ("--http-method GET", "http_method"),
    ("--http-status 404", "http_status_code"),
    ("--http-path /", "http_path"),
    ("--http-url /", "http_url"),
    ("--http-header a:b", "http_header"),
    ("--snat-ip 10.0.0.1", "source_ip_xlated"),
    ("--interface eth0", "interface"),
    ("--trace-id 0123", "trace_id"),
    ("--ip-trace-id 1", "ip_trace_id"),
    ("--encrypted", "encrypted"),
    ("--unencrypted", "encrypted"),
    ("--node-label a=b", "node_labels"),
    ("--tcp-flags SYN", "tcp_flags"),
    ("--not --fqdn example.com", "_fqdn"),
    ("--protocol http", "http"),
    ("--protocol dns", "dns"),
    ("--cel-expression _flow.verdict==1", "experimental"),
    ("--not --interface eth0", "interface"),
];

#[test]
fn filters_by_what_is_not_seen_are_refused_by_name() {
    let world = World::busy();
    for (line, field) in REFUSED {
        let arguments: Vec<&str> = ["observe", "--all"]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        let said = world.cli.refusal(&arguments);
        assert!(said.contains(field), "{line}: {said}");
        assert!(said.contains("InvalidArgument"), "{line}: {said}");
    }
}

#[test]
fn values_that_are_none_are_refused() {
    let world = World::open("");
    for (line, said) in [
        ("--ip 10.0.0.300", "10.0.0.300"),
        ("--port http", "http"),
        ("--label a=(", "a=("),
        ("--node-name a//b", "a//b"),
    ] {
        let arguments: Vec<&str> = ["observe"].into_iter().chain(line.split(' ')).collect();
        let error = world.cli.refusal(&arguments);
        assert!(error.contains(said), "{line}: {error}");
    }
}

#[test]
fn events_that_are_not_kept_are_not_answered() {
    let world = World::open("");
    for events in ["agent-events", "debug-events"] {
        let said = world.cli.refusal(&["observe", events]);
        assert!(said.contains("Unimplemented"), "{events}: {said}");
    }
}
