//! Thousands of questions about a large cluster.

use std::fmt::Write as _;
use std::time::Instant;

use crate::command::Folder;

const PODS: usize = 2000;
const POLICIES: usize = 500;

/// Pods in 20 namespaces and a policy for each 4 of them; every tenth allows by address.
fn cluster() -> String {
    let mut text = String::new();
    for pod in 0..PODS {
        let (namespace, app) = (pod % 20, pod % POLICIES);
        let (high, low) = (pod / 250, pod % 250 + 1);
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{namespace: ns{namespace}, name: p{pod}, \
             labels: {{app: a{app}, tier: t{}}}}}\nspec: {{nodeName: n{}}}\n\
             status: {{podIPs: [{{ip: 10.1.{high}.{low}}}]}}\n",
            pod % 7,
            pod % 50,
        );
    }
    for policy in 0..POLICIES {
        let peer = match policy % 10 {
            0 => format!("ipBlock: {{cidr: 10.1.{}.0/24}}", policy % 8),
            1 => format!(
                "namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ns{}}}}}",
                policy % 20
            ),
            _ => format!("podSelector: {{matchLabels: {{tier: t{}}}}}", policy % 7),
        };
        let _ = write!(
            text,
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{namespace: ns{}, name: policy{policy}}}\n\
             spec: {{podSelector: {{matchLabels: {{app: a{policy}}}}}, \
             ingress: [{{from: [{{{peer}}}], ports: [{{port: {}}}, {{port: 8000, endPort: 9000}}]}}]}}\n",
            policy % 20,
            80 + policy % 5,
        );
    }
    text
}

fn questions(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (from, to) = (number * 37 % PODS, number * 101 % PODS);
        let port = [80, 81, 443, 8080][number % 4];
        let _ = writeln!(
            text,
            r#"{{"from": "ns{}/p{from}", "to": "ns{}/p{to}", "protocol": "TCP", "port": {port}}}"#,
            from % 20,
            to % 20,
        );
    }
    text
}

/// Asks, and says how long that took beyond a batch of one question: for people, not a verdict.
fn ask(count: usize, arguments: &str) {
    let folder = Folder::with(&cluster());
    let start = Instant::now();
    assert_eq!(folder.batch(&questions(1), arguments).code, 0);
    let loading = start.elapsed();
    let start = Instant::now();
    let run = folder.batch(&questions(count), arguments);
    let all = start.elapsed();
    assert_eq!(
        (run.code, run.out.lines().count()),
        (0, count),
        "{}",
        run.err
    );
    assert!(run.out.contains(r#""verdict":"deny""#) && run.out.contains("allowed_by\":{"));
    println!(
        "loading {loading:?}, then {count} questions in {:?}",
        all.saturating_sub(loading)
    );
}

#[test]
fn a_large_batch_about_a_large_cluster_is_answered_whole() {
    ask(5000, "");
}

/// Needs root: the programs are loaded.
#[test]
fn the_kernel_answers_a_large_batch_whole_too() {
    ask(5000, "--kernel");
}
