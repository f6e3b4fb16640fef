//! iptables and ipset in kube-router's style: a list of the node's pods, a chain for each pod that
//! lets connections pass first and then runs through a chain for each policy, which marks what is
//! allowed. Sets have the selected pods and the peers.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Result;
use enforcer_lab::Lab;

use super::super::cluster::Cluster;
use super::super::traffic::PORTS;
use super::feed;

/// The mark of a packet that a policy allows, and that of one that passed all its pods' policies.
const ALLOWED: &str = "0x10000/0x10000";
const PASSED: &str = "0x20000/0x20000";

/// Programs that read rules: the kernel's own iptables, and where it has none, nftables in its guise.
const LEGACY: &str = "iptables-legacy-restore";
const NFT: &str = "iptables-nft-restore";

/// Loads sets and rules into the node.
pub(super) fn load(lab: &Lab, cluster: &Cluster<'_>) -> Result<()> {
    feed(lab, "ipset", "restore -file FILE", &sets(cluster))?;
    feed_rules(lab, &rules(cluster))
}

/// Gives rules to the iptables that this kernel has.
pub(super) fn feed_rules(lab: &Lab, rules: &str) -> Result<()> {
    let program = if is_legacy(lab) { LEGACY } else { NFT };
    feed(lab, program, "FILE", rules)
}

/// Whether this kernel still has the tables of iptables itself.
pub(in super::super) fn is_legacy(lab: &Lab) -> bool {
    lab.command("iptables-legacy", "--list-rules").is_ok()
}

fn sets(cluster: &Cluster<'_>) -> String {
    let mut text = String::new();
    let mut set = |name: &str, addresses: &[IpAddr]| {
        let _ = writeln!(
            text,
            "create {name} hash:ip family inet hashsize 64 maxelem 65536"
        );
        for address in addresses {
            let _ = writeln!(text, "add {name} {address}");
        }
    };
    let members = cluster.members();
    for (policy, peers) in cluster.peers().iter().enumerate() {
        set(&format!("TO-{policy}"), &members);
        set(&format!("FROM-{policy}"), &members);
        set(&format!("PEERS-IN-{policy}"), peers);
        set(&format!("PEERS-OUT-{policy}"), peers);
    }
    text
}

fn rules(cluster: &Cluster<'_>) -> String {
    let mut text = String::from("*filter\n:FORWARD ACCEPT\n:PODS -\n");
    for policy in 0..cluster.policies {
        let _ = writeln!(text, ":POLICY-{policy} -");
    }
    text.push_str("-A FORWARD -j PODS\n");
    let mut jumps = String::new();
    let [before, after] = cluster.neighbours();
    let members = cluster.members();
    let pods = before.iter().map(|pod| (pod, false));
    let pods = pods.chain(members.iter().map(|pod| (pod, true)));
    let pods = pods.chain(after.iter().map(|pod| (pod, false)));
    for (number, (pod, selected)) in pods.enumerate() {
        let chain = format!("POD-{number}");
        let policies = if selected { 0..cluster.policies } else { 0..1 };
        pod_chain(&mut text, &chain, *pod, policies);
        jump(&mut jumps, &chain, *pod);
    }
    for policy in 0..cluster.policies {
        policy_chain(&mut text, policy);
    }
    text.push_str(&jumps);
    let _ = writeln!(text, "-A PODS -m mark --mark {PASSED} -j ACCEPT\nCOMMIT");
    text
}

/// What leads to a pod's chain: routed and bridged packets, to and from it.
fn jump(text: &mut String, chain: &str, pod: IpAddr) {
    for flag in ["-d", "-s"] {
        let _ = writeln!(
            text,
            "-A PODS -m physdev --physdev-is-bridged {flag} {pod} -j {chain}"
        );
        let _ = writeln!(text, "-A PODS {flag} {pod} -j {chain}");
    }
}

fn pod_chain(text: &mut String, chain: &str, pod: IpAddr, policies: impl Iterator<Item = usize>) {
    let _ = writeln!(text, ":{chain} -");
    let mut rule = |words: &str| {
        let _ = writeln!(text, "-A {chain} {words}");
    };
    rule("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    rule("-m conntrack --ctstate INVALID -j DROP");
    rule(&format!("-m addrtype --src-type LOCAL -d {pod} -j ACCEPT"));
    for policy in policies {
        rule(&format!("-j POLICY-{policy}"));
    }
    let limit = "-m limit --limit 10/minute --limit-burst 10";
    rule(&format!(
        "-m mark ! --mark {ALLOWED} {limit} -j NFLOG --nflog-group 100"
    ));
    rule(&format!("-m mark ! --mark {ALLOWED} -j REJECT"));
    rule("-j MARK --set-mark 0/0x10000");
    rule(&format!("-j MARK --set-mark {PASSED}"));
}

fn policy_chain(text: &mut String, policy: usize) {
    let (first, last) = (PORTS.start(), PORTS.end());
    let sides = [("PEERS-IN", "TO"), ("FROM", "PEERS-OUT")];
    for (source, destination) in sides {
        for protocol in ["tcp", "udp"] {
            let _ = writeln!(
                text,
                "-A POLICY-{policy} -m set --match-set {source}-{policy} src \
                 -m set --match-set {destination}-{policy} dst \
                 -p {protocol} --dport {first}:{last} -j MARK --set-mark {ALLOWED}"
            );
            let _ = writeln!(
                text,
                "-A POLICY-{policy} -m mark --mark {ALLOWED} -j RETURN"
            );
        }
    }
}
