use super::*;
use crate::record::tests::{allowed, closed, denied, ping};

fn shown(form: Form, record: &Record) -> String {
    let colour = false;
    Style { form, colour }.show(record).to_string()
}

#[test]
fn compact_is_one_line_that_names_who_and_why() {
    let compact = |record: Record| shown(Form::Compact, &record);
    assert_eq!(
        compact(allowed()),
        "2026-11-21T08:00:00.123Z n2 ALLOWED TCP default/web:40000 → prod/db:80  ingress allowed, \
         by prod/db ingress[0]"
    );
    assert_eq!(
        compact(denied()),
        "2026-11-21T08:00:01.000Z n2 DENIED  TCP default/web:40000 → prod/db:80  ingress \
         policy-denied, 3 packets, isolated by prod/db; nearest rule prod/db ingress[0]: peer has \
         app=web, rule wants app=api"
    );
    assert_eq!(
        compact(ping()),
        "2026-11-21T08:00:02.000Z AUDIT   ICMPv6 type 128 code 0 node n3 → 2001:db8::1  egress \
         policy-denied"
    );
    assert_eq!(
        compact(closed()),
        "2026-11-21T08:00:03.000Z n1 CLOSED  UDP default/web:40000 → service kube-system/dns:53  \
         egress deferred until the service's backend is known, 12 packets and 3456 bytes in 1.500 s"
    );
}

#[test]
fn wide_has_addresses_workloads_labels_and_identities() {
    assert_eq!(
        shown(Form::Wide, &denied()),
        "2026-11-21T08:00:01.000Z n2 DENIED  TCP default/web (10.244.0.2:40000) → prod/db \
         (10.244.0.3:80)  ingress policy-denied, 3 packets, isolated by prod/db
    from identity 7 Deployment/web on n1 app=web,tier=front
    to   identity 9 StatefulSet/db on n2 app=db
    nearest rule prod/db ingress[0]: peer has app=web, rule wants app=api
    record 2, 74 bytes, seen at prod/db (ingress)"
    );
    let outside = shown(Form::Wide, &ping());
    assert!(
        outside.contains("\n    to   identity 0 outside the cluster\n"),
        "{outside}"
    );
}

#[test]
fn tcpdump_is_a_packet_and_what_became_of_it() {
    let tcpdump = |record: Record| shown(Form::Tcpdump, &record);
    assert_eq!(
        tcpdump(allowed()),
        "08:00:00.123456 IP 10.244.0.2.40000 > 10.244.0.3.80: Flags [S], length 74 ALLOWED allowed"
    );
    assert_eq!(
        tcpdump(denied()),
        "08:00:01.000000 IP 10.244.0.2.40000 > 10.244.0.3.80: TCP, length 74 DENIED policy-denied x3"
    );
    assert_eq!(
        tcpdump(ping()),
        "08:00:02.000000 IP6 fd00::7 > 2001:db8::1: ICMPv6 type 128 code 0, length 118 AUDIT \
         policy-denied"
    );
}

#[test]
fn colour_is_around_the_verdict_alone() {
    for form in [Form::Compact, Form::Wide, Form::Tcpdump] {
        for record in crate::record::tests::all() {
            let painted = Style { form, colour: true }.show(&record).to_string();
            assert_eq!(painted.matches('\x1b').count(), 2, "{painted}");
            let codes = ["\x1b[32m", "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"];
            let plain = codes
                .iter()
                .fold(painted, |text, code| text.replace(code, ""));
            assert_eq!(plain, shown(form, &record));
        }
    }
}

#[test]
fn of_many_policies_a_few_are_named() {
    let mut record = denied();
    let mut context = (*record.context).clone();
    let one = context.policies[0].clone();
    context.policies = vec![one; 1000].into();
    record.context = context.into();
    let text = shown(Form::Compact, &record);
    let expected = "isolated by prod/db, prod/db, prod/db and 997 more;";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn an_ipv6_address_with_a_port_is_in_brackets() {
    let mut record = denied();
    record.source.who = None;
    record.source.address = "fd00::7".parse().ok();
    assert!(shown(Form::Compact, &record).contains(" [fd00::7]:40000 → "));
}
