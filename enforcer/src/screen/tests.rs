use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::api::Status;
use crate::api::status::{
    About, BehindStatus, CniStatus, EndpointStatus, Fill, FlowStatus, PolicyStatus, Recent,
};

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Option<Timestamp> {
    now().checked_sub(SignedDuration::from_secs(seconds)).ok()
}

fn endpoint(name: &str, ingress: bool, egress: bool) -> EndpointStatus {
    let policies = |isolated: bool| isolated.then(|| format!("shop/{name}")).into_iter();
    EndpointStatus {
        pod: format!("shop/{name}"),
        addresses: vec!["10.244.1.7".parse().unwrap()],
        links: vec!["veth1".to_owned()],
        ingress: policies(ingress).collect(),
        egress: policies(egress).collect(),
        not_enforced: None,
    }
}

fn policy(name: &str, selected: usize) -> PolicyStatus {
    PolicyStatus {
        policy: format!("shop/{name}"),
        selected,
        not_enforced: [].into(),
    }
}

/// A node where all is well.
fn well() -> Status {
    Status {
        in_force: true,
        synced: true,
        node: Some("worker-1".to_owned()),
        mode: "enforce".to_owned(),
        pending: "allow".to_owned(),
        version: "0.1.0".to_owned(),
        endpoints: vec![
            endpoint("db", true, false),
            endpoint("api", true, true),
            endpoint("web", false, false),
        ],
        policies: vec![policy("db", 1), policy("api", 1), policy("far", 0)],
        identities: 5,
        policy_sets: 3,
        maps: [fill("CIDRS", 20), fill("VERDICTS", 310)].into(),
        about: About {
            started: ago(11_530),
            kernel: "6.12.9".to_owned(),
            hook: "tcx".to_owned(),
            abi: 3,
            daemonset: None,
        },
        flows: FlowStatus {
            begin: None,
            kept: 812,
            limit: 8192,
            seen: 812,
        },
        recent: Recent {
            seconds: 300,
            records: 37,
            ..Recent::default()
        },
        ..Status::default()
    }
}

fn fill(name: &str, used: usize) -> (String, Fill) {
    let capacity = 1000;
    (name.to_owned(), Fill { used, capacity })
}

/// A node where much is wrong.
fn ill() -> Status {
    let mut status = well();
    status.in_force = false;
    status.synced = false;
    status.source.behind = vec![BehindStatus {
        kind: "pods".to_owned(),
        since: ago(150),
    }];
    status.faults = vec!["changes of pods are not seen since 09:57:30: refused".to_owned()];
    status.problems = vec!["NetworkPolicy shop/bad: spec.ingress[0] …\nhelp: …".to_owned()];
    status.refused = vec!["shop/bad".to_owned()];
    status.endpoints[0].not_enforced = Some("eth0 (macvlan): give the pod a veth".to_owned());
    status.endpoints[0].links.clear();
    let why = status.endpoints[0].not_enforced.clone().unwrap();
    status.policies[0].not_enforced = [("shop/db".to_owned(), why)].into();
    let host = "it shares the node's network".to_owned();
    status.policies[2].not_enforced = [("shop/agent".to_owned(), host)].into();
    status.maps = [fill("CIDRS", 910)].into();
    status.pending_links = vec!["veth9".to_owned()];
    status.other_engines = vec!["kube-router (link kube-bridge)".to_owned()];
    status.cni = Some(CniStatus {
        trouble: Some("no such directory".to_owned()),
    });
    status.recent.drops = [
        ("ingress/policy-denied".to_owned(), 120),
        ("egress/spoofed".to_owned(), 3),
    ]
    .into();
    status.recent.lost = 40;
    status.refused_clients = 2;
    status
}

fn screen(status: &Status, colour: bool) -> String {
    NodeScreen {
        status,
        now: now(),
        colour,
        verbose: false,
    }
    .to_string()
}

#[test]
fn a_node_where_all_is_well_is_ten_lines_without_colour_and_without_advice() {
    let expected = "\
enforcer 0.1.0 on worker-1: in force
  daemon      up 3 h 12 min, mode enforce, pending links allow, Linux 6.12.9, hook tcx, ABI 3
  source      Kubernetes API, everything read
  policies    3: 2 enforced here, 0 not for all of its pods, 1 select nobody here; 0 refused
  endpoints   3: isolated 1 in, 0 out, 1 both ways; 1 open, 0 not enforced; 0 links pending
  maps        CIDRS 2 %, VERDICTS 31 %; identities 5, policy sets 3
  flows       812 of 8192 records kept, 0.1 a second, 0 events not reported since the start
  drops       in the last 5 min: none
  engines     no other policy engine
  CNI plugin  not used
";
    assert_eq!(screen(&well(), false), expected);
    assert_eq!(screen(&well(), true), expected);
    assert_eq!(findings(&well()), []);
}

#[test]
fn what_is_wrong_is_named_with_the_command_to_run_next() {
    let expected = "\
enforcer 0.1.0 on worker-1: NOT in force
  daemon      up 3 h 12 min, mode enforce, pending links allow, Linux 6.12.9, hook tcx, ABI 3
  source      Kubernetes API, NOT everything read yet, NOT up to date: pods, for 2 min 30 s
  policies    3: 1 enforced here, 2 not for all of its pods, 0 select nobody here; 1 refused
  endpoints   3: isolated 0 in, 0 out, 1 both ways; 1 open, 1 not enforced; 1 links pending
  maps        CIDRS 91 %; identities 5, policy sets 3
  flows       812 of 8192 records kept, 0.1 a second, 0 events not reported since the start
  drops       in the last 5 min: egress/spoofed 3, ingress/policy-denied 120
  engines     1 beside this one
  CNI plugin  NOT installed

Faults of the node:
  changes of pods are not seen since 09:57:30: refused

Problems in the manifests:
  NetworkPolicy shop/bad: spec.ingress[0] …
  help: …

Not enforced:
  shop/db 10.244.1.7  NOT ENFORCED: eth0 (macvlan): give the pod a veth

Map CIDRS is filled to 91 %: what does not fit denies everything

The CNI plugin is not installed; pods start without waiting for their policies:
  no such directory

Selected by policies, but on the node's network:
  shop/agent  NOT ENFORCED: it shares the node's network

Other policy engines, which packets must pass too:
  kube-router (link kube-bridge)

Links without a known pod (allow): veth9

40 events came too fast to be reported in the last 5 min

2 connections to the API's port were refused: they were not root's

Packets were dropped

Next:
  kubectl logs --namespace enforcer-system --tail 50 \"$(kubectl get pods --namespace enforcer-system --field-selector spec.nodeName=worker-1 --selector app.kubernetes.io/name=enforcer --output name)\"  # what the daemon logged about it
  kubectl describe networkpolicy --namespace shop bad  # the policy and its Events
  kubectl describe policyenforcement --namespace shop db.worker-1  # what the cluster is told of it
  helm upgrade --namespace enforcer-system enforcer CHART --reuse-values --set mapEntries.CIDRS_V4=2000 --set mapEntries.CIDRS_V6=2000  # twice the room, at the daemon's next start
  enforcer cni --help  # which directories it needs
";
    assert_eq!(screen(&ill(), false), expected);
}

#[test]
fn what_needs_attention_is_red_and_what_is_worth_knowing_is_yellow() {
    let text = screen(&ill(), true);
    for red in [
        "\x1b[1;31mNOT in force\x1b[0m",
        "\x1b[1;31msource      \x1b[0m",
        "\x1b[1;31mmaps        \x1b[0m",
        "\x1b[1;31mNot enforced:\x1b[0m",
    ] {
        assert!(text.contains(red), "{red}: {text}");
    }
    assert!(text.contains("\x1b[33mengines     \x1b[0m"), "{text}");
    assert!(text.contains("\n  daemon      up"), "{text}");
}

#[test]
fn of_manifests_the_checker_is_proposed_and_nothing_of_kubectl() {
    let mut status = ill();
    status.source.manifests = Some(PathBuf::from("/etc/enforcer/manifests"));
    let text = screen(&status, false);
    assert!(
        text.contains("\n  enforcer check /etc/enforcer/manifests  # "),
        "{text}"
    );
    assert!(text.contains("--map-entries CIDRS_V4=2000"), "{text}");
    assert!(!text.contains("kubectl"), "{text}");
}

#[test]
fn commands_are_about_the_namespace_that_the_daemon_is_in() {
    let mut status = ill();
    status.about.daemonset = Some("kube-system/enforcer".to_owned());
    let text = screen(&status, false);
    assert!(
        text.contains("kubectl logs --namespace kube-system"),
        "{text}"
    );
    assert!(!text.contains("enforcer-system"), "{text}");
}

#[test]
fn denials_by_policy_are_only_a_hint() {
    let mut status = well();
    status.recent.drops = [("ingress/policy-denied".to_owned(), 1)].into();
    let found = findings(&status);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].level, Level::Hint);
    let text = screen(&status, false);
    assert!(text.contains("\nNext:\n  enforcer flows --verdict denied"));
    assert!(!text.contains("Packets were dropped"), "{text}");
}

#[test]
fn audit_mode_and_denials_in_it_are_told_once() {
    let mut status = well();
    status.mode = "audit".to_owned();
    status.recent.drops = [("ingress/audit-denied".to_owned(), 1)].into();
    let found = findings(&status);
    assert_eq!(found.len(), 1);
    let next = found[0].next.as_ref().unwrap();
    assert_eq!(next.command, "enforcer flows --verdict audit --since 5m");
}

fn row(node: &str, told: Result<&Status, &str>) -> Row {
    Row {
        node: node.to_owned(),
        pod: (told != Err("no pod of the DaemonSet is there")).then(|| format!("enforcer-{node}")),
        error: told.err().map(ToOwned::to_owned),
        summary: told.ok().map(Summary::of),
    }
}

#[test]
fn a_cluster_is_a_row_for_each_node_the_worst_first() {
    let mut noted = well();
    noted.pending_links = vec!["veth9".to_owned()];
    let rows = vec![
        row("a", Ok(&well())),
        row("b", Ok(&noted)),
        row("c", Ok(&ill())),
        row("d", Err("no answer within 15 seconds")),
        row("e", Err("no pod of the DaemonSet is there")),
    ];
    let notes = vec!["A note.".to_owned()];
    let mut screen = ClusterScreen::new("enforcer-system", rows, notes, now());
    let expected = "\
NODE  STATE         VERSION  UP          PODS*  DROPS  MAPS  ATTENTION
d     NO ANSWER     -        -           -      -      -     no answer within 15 seconds
e     NO DAEMON     -        -           -      -      -     no pod of the DaemonSet is there
c     NOT in force  0.1.0    3 h 12 min  3/1/1  123    91 %  Faults of the node: changes of pods are not seen since 09:57:30: refused
b     in force      0.1.0    3 h 12 min  3/2/0  0      31 %  Links without a known pod (allow): veth9
a     in force      0.1.0    3 h 12 min  3/2/0  0      31 %  
* all/isolated/not enforced; drops: packets in the last minutes; maps: the fullest

5 nodes: 1 healthy, 1 to look at, 3 need attention (1 without a daemon, 1 without an answer); 9 pods, 1 not enforced; 123 packets dropped
A note.

Next:
  kubectl describe pod --namespace enforcer-system enforcer-d  # why the daemon of d does not answer
  kubectl describe daemonset --namespace enforcer-system enforcer  # why e has no daemon
  kubectl exec --namespace enforcer-system enforcer-c -- enforcer status  # all about c
";
    assert_eq!(screen.to_string(), expected);
    assert!(!screen.is_healthy());
    screen.colour = true;
    let text = screen.to_string();
    assert!(text.contains("\n\x1b[1;31md     NO ANSWER"), "{text}");
    assert!(text.contains("\n\x1b[33mb     in force"), "{text}");
    assert!(text.contains("\na     in force"), "{text}");
}

#[test]
fn a_summary_of_a_crowded_node_stays_short() {
    let mut status = ill();
    for number in 0..1000 {
        let mut one = endpoint(&format!("pod-{number}"), true, true);
        one.not_enforced = Some("why".to_owned());
        status.endpoints.push(one);
        status.policies.push(policy(&format!("policy-{number}"), 1));
    }
    let text = serde_json::to_string(&Summary::of(&status)).unwrap();
    assert!(text.len() < 4096, "{} bytes", text.len());
    assert!(text.contains("and 998 more"), "{text}");
    let read: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(read, Summary::of(&status));
}
