//! Each filter, against what was sent.

use std::collections::BTreeSet;

use crate::shop::{
    ALL, API_53, API_80, API_81, Shop, WEB_80_IN, WEB_80_OUT, WEB_PING_IN, WEB_PING_OUT,
};

const OF_API: &[&str] = &[API_53, API_80, API_81];
const OF_WEB: &[&str] = &[WEB_80_IN, WEB_80_OUT, WEB_PING_IN, WEB_PING_OUT];
const DENIED: &[&str] = &[API_81, WEB_80_IN, WEB_PING_IN];
const ALLOWED: &[&str] = &[API_53, API_80, WEB_80_OUT, WEB_PING_OUT];
const IN: &[&str] = &[API_53, API_80, API_81, WEB_80_IN, WEB_PING_IN];
const OUT: &[&str] = &[WEB_80_OUT, WEB_PING_OUT];
const PING: &[&str] = &[WEB_PING_IN, WEB_PING_OUT];

/// Filters, and what they mean.
const CASES: &[(&str, &[&str])] = &[
    ("--namespace prod", &ALL),
    ("--namespace from:prod", &[]),
    ("--namespace to:prod", &ALL),
    ("--namespace not:default", &[]),
    ("--namespace other", &[]),
    ("--pod web", OF_WEB),
    ("--pod default/api", OF_API),
    ("--pod a*", OF_API),
    ("--pod to:prod/d?", &ALL),
    ("--pod prod/", &ALL),
    ("--pod to:web", &[]),
    ("--pod web --pod api", &ALL),
    ("--pod from:web --pod to:prod/db", OF_WEB),
    ("--workload Deployment/web", OF_WEB),
    ("--workload from:api", OF_API),
    ("--workload StatefulSet/*", OF_API),
    ("--workload ReplicaSet/*", &[]),
    ("--label app=api", OF_API),
    ("--label app=api,tier", &[]),
    ("--label app=db,tier", &ALL),
    ("--label from:app!=api", OF_WEB),
    ("--label from:!tier", &ALL),
    ("--label to:!tier", &[]),
    ("--service */*", &[]),
    ("--port 80", &[API_80, WEB_80_IN, WEB_80_OUT]),
    ("--port 80-90", &[API_80, API_81, WEB_80_IN, WEB_80_OUT]),
    ("--port from:80", &[]),
    (
        "--port not:80",
        &[API_53, API_81, WEB_PING_IN, WEB_PING_OUT],
    ),
    (
        "--port not:80 --port not:81",
        &[API_53, WEB_PING_IN, WEB_PING_OUT],
    ),
    ("--protocol ICMP", PING),
    ("--protocol 17", &[API_53]),
    (
        "--protocol udp --protocol icmp",
        &[API_53, WEB_PING_IN, WEB_PING_OUT],
    ),
    ("--verdict denied", DENIED),
    ("--verdict deny", DENIED),
    ("--verdict not:denied", ALLOWED),
    ("--verdict audit", &[]),
    ("--kind opened", ALLOWED),
    ("--kind denied", DENIED),
    ("--kind closed", &[]),
    ("--reason policy-denied", DENIED),
    ("--reason allowed", ALLOWED),
    ("--policy prod/db", IN),
    ("--policy web", OUT),
    ("--policy not:*/db", OUT),
    ("--direction ingress", IN),
    ("--direction egress", OUT),
    ("--node n1", &ALL),
    ("--node to:n?", &ALL),
    ("--node n2", &[]),
    ("--pod web --verdict denied", &[WEB_80_IN, WEB_PING_IN]),
    ("--pod from:api --port not:80", &[API_53, API_81]),
    ("--direction egress --pod api", &[]),
    ("--since 1h", &ALL),
    ("--since 2099-01-01T00:00:00Z", &[]),
    ("--last 0", &[]),
];

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_filter_means_exactly_what_was_sent() {
    let shop = Shop::open("");
    shop.traffic();
    for (line, expected) in CASES {
        let arguments: Vec<&str> = line.split(' ').collect();
        assert_eq!(shop.names(&arguments), set(expected), "{line}");
    }
    let (web, db) = (shop.web.v4().unwrap(), shop.db.v4().unwrap());
    for (value, expected) in [
        (web.to_string(), OF_WEB),
        (format!("{db}/32"), &ALL[..]),
        (format!("from:{db}"), &[]),
        (format!("not:from:{web}"), OF_API),
        ("fd00::/8".to_owned(), &[]),
    ] {
        assert_eq!(shop.names(&["--ip", &value]), set(expected), "--ip {value}");
    }
    // Policies tell api from all others.
    let records = shop.records(&["--pod", "api"]);
    let identity = records[0].source.identity.unwrap().to_string();
    assert_eq!(shop.names(&["--identity", &identity]), set(OF_API));
}

#[test]
fn time_and_number_choose_from_what_the_filters_mean() {
    let shop = Shop::open("");
    shop.traffic();
    let denials = shop.records(&["--verdict", "denied"]);
    let last = shop.records(&["--verdict", "denied", "--last", "2"]);
    assert_eq!(last, denials[denials.len() - 2..]);
    let all = shop.records(&[]);
    assert!(
        all.windows(2)
            .all(|two| two[0].sequence + 1 == two[1].sequence)
    );
    let middle = all[all.len() / 2].time;
    let expected: Vec<_> = all
        .iter()
        .filter(|one| one.time >= middle)
        .cloned()
        .collect();
    assert!(
        (1..all.len()).contains(&expected.len()),
        "all at one moment"
    );
    assert_eq!(shop.records(&["--since", &middle.to_string()]), expected);
}
