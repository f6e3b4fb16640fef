//! Other policy engines on this node.
//!
//! Two engines at once are seldom what anybody wants, and never what nobody knows of: each has its own
//! idea of what an API leaves open, and a drop by one is not in the report of the other. So the
//! daemon refuses to start beside one, unless it is told to (`--alongside`).
//!
//! - [`find`] (pure): what the facts say;
//! - [`probe`]: the facts; [`netfilter`]: the part of them that netfilter knows.
//!
//! Only signs that nothing else leaves behind count. There are none that all engines have in common.

pub mod netfilter;
pub mod probe;

use std::collections::BTreeSet;
use std::fmt;

/// What was seen on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Names of links.
    pub links: BTreeSet<String>,
    /// nftables, and in them those of iptables: `table` and `chain`.
    pub chains: BTreeSet<(String, String)>,
    /// Names of pinned programs of the AWS agent.
    pub aws_programs: BTreeSet<String>,
}

/// An engine, and how it was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// What only it leaves on a node.
    pub sign: String,
    /// How its policies are switched off.
    pub remedy: &'static str,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.sign)
    }
}

/// What gives an engine away.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// A link of this name.
    Link(&'static str),
    /// A link of this name and eleven hexadecimal digits, as Calico calls pods' links.
    HashedLink(&'static str),
    /// A table of nftables.
    Table(&'static str),
    /// A chain, in whichever table.
    Chain(&'static str),
    /// A pinned program of the AWS agent.
    AwsProgram,
}

const CALICO: &str = "remove Calico, or install it without its policies";
const KUBE_ROUTER: &str = "start k3s with --disable-network-policy, or kube-router with \
    --run-firewall=false, and remove the chains KUBE-ROUTER-* that are left (or restart the node)";

/// The engines that can be told for certain, each by every sign of its own.
const SIGNS: [(&str, Sign, &str); 12] = [
    (
        "Cilium",
        Sign::Link("cilium_host"),
        "use Cilium's policies, or run it with enable-policy=never",
    ),
    ("Calico", Sign::HashedLink("cali"), CALICO),
    ("Calico", Sign::Chain("cali-FORWARD"), CALICO),
    ("Calico", Sign::Table("calico"), CALICO),
    (
        "Antrea",
        Sign::Link("antrea-gw0"),
        "use Antrea's policies, or remove it",
    ),
    (
        "OVN-Kubernetes",
        Sign::Link("ovn-k8s-mp0"),
        "use OVN-Kubernetes' policies",
    ),
    (
        "kube-router",
        Sign::Chain("KUBE-ROUTER-FORWARD"),
        KUBE_ROUTER,
    ),
    (
        "Azure Network Policy Manager",
        Sign::Chain("AZURE-NPM"),
        "az aks update --network-policy none",
    ),
    (
        "Weave Net",
        Sign::Chain("WEAVE-NPC"),
        "run Weave Net with EXPECT_NPC=0",
    ),
    (
        "kindnet",
        Sign::Table("kindnet-network-policies"),
        "use kindnet's policies, or make the cluster without the default CNI",
    ),
    (
        "kube-network-policies",
        Sign::Table("kube-network-policies"),
        "remove kube-network-policies",
    ),
    (
        "AWS network policy agent",
        Sign::AwsProgram,
        "set enableNetworkPolicy of the VPC CNI add-on to false and restart its pods",
    ),
];

/// The engines that these facts give away, each once.
pub fn find(facts: &Facts) -> Vec<Engine> {
    let mut found: Vec<Engine> = Vec::new();
    for (name, sign, remedy) in SIGNS {
        if found.iter().any(|engine| engine.name == name) {
            continue;
        }
        if let Some(sign) = seen(sign, facts) {
            found.push(Engine { name, sign, remedy });
        }
    }
    found
}

/// The sign as it was seen.
fn seen(sign: Sign, facts: &Facts) -> Option<String> {
    match sign {
        Sign::Link(name) => facts.links.contains(name).then(|| format!("link {name}")),
        Sign::HashedLink(prefix) => facts
            .links
            .iter()
            .find(|link| is_hashed(link, prefix))
            .map(|link| format!("link {link}")),
        Sign::Table(name) => facts
            .chains
            .iter()
            .any(|(table, _)| table == name)
            .then(|| format!("nftables table {name}")),
        Sign::Chain(name) => facts
            .chains
            .iter()
            .find(|(_, chain)| chain == name)
            .map(|(table, chain)| format!("chain {chain} in table {table}")),
        Sign::AwsProgram => facts
            .aws_programs
            .first()
            .map(|name| format!("pinned program {name}")),
    }
}

fn is_hashed(link: &str, prefix: &str) -> bool {
    const DIGITS: usize = 11;
    link.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == DIGITS && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.words())]
pub struct Refusal(Vec<Engine>);

impl Refusal {
    /// `None` where there is no other engine.
    pub fn of(engines: Vec<Engine>) -> Option<Self> {
        (!engines.is_empty()).then_some(Self(engines))
    }

    fn words(&self) -> String {
        let names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        let remedies: Vec<&str> = self.0.iter().map(|engine| engine.remedy).collect();
        format!(
            "this node has a policy engine already: {}. Nothing was attached; what an earlier enforcer \
             attached stays in force as it is. Decide for one engine ({}), or give --alongside: then a \
             packet must pass both",
            names.join(", "),
            remedies.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(names: &[&str]) -> Facts {
        Facts {
            links: names.iter().map(ToString::to_string).collect(),
            ..Facts::default()
        }
    }

    fn chain(table: &str, chain: &str) -> Facts {
        Facts {
            chains: BTreeSet::from([(table.to_owned(), chain.to_owned())]),
            ..Facts::default()
        }
    }

    fn names(facts: &Facts) -> Vec<&'static str> {
        find(facts).iter().map(|engine| engine.name).collect()
    }

    #[test]
    fn each_engine_is_known_by_what_only_it_leaves_on_a_node() {
        let aws = Facts {
            aws_programs: BTreeSet::from(["web-5d8-default_handle_ingress".to_owned()]),
            ..Facts::default()
        };
        for (facts, name) in [
            (links(&["cilium_net", "cilium_host", "lxc1"]), "Cilium"),
            (links(&["cali0a1b2c3d4e5"]), "Calico"),
            (chain("filter", "cali-FORWARD"), "Calico"),
            (chain("calico", "filter-FORWARD"), "Calico"),
            (links(&["antrea-gw0"]), "Antrea"),
            (links(&["ovn-k8s-mp0"]), "OVN-Kubernetes"),
            (chain("filter", "KUBE-ROUTER-FORWARD"), "kube-router"),
            (chain("filter", "AZURE-NPM"), "Azure Network Policy Manager"),
            (chain("filter", "WEAVE-NPC"), "Weave Net"),
            (chain("kindnet-network-policies", "prerouting"), "kindnet"),
            (
                chain("kube-network-policies", "postrouting"),
                "kube-network-policies",
            ),
            (aws, "AWS network policy agent"),
        ] {
            assert_eq!(names(&facts), [name], "{facts:?}");
        }
    }

    #[test]
    fn a_node_without_another_engine_is_not_taken_for_one_with() {
        let mut facts = links(&[
            "lo",
            "eth0",
            "cni0",
            "flannel.1",
            "kube-ipvs0",
            "kube-bridge",
            "azvabc",
            "eni0a1b2c3d4e5",
            // No names of Calico's: too short, too long, no digits.
            "cali1",
            "cali0a1b2c3d4e5f",
            "calibrate-link1",
        ]);
        for name in [
            "KUBE-FORWARD",
            "KUBE-SERVICES",
            "FLANNEL-FWD",
            "CNI-HOSTPORT-DNAT",
            "FORWARD",
        ] {
            facts.chains.insert(("filter".to_owned(), name.to_owned()));
        }
        facts
            .chains
            .insert(("kube-proxy".to_owned(), "services".to_owned()));
        assert_eq!(names(&facts), <[&str; 0]>::default());
        assert!(Refusal::of(find(&facts)).is_none());
    }

    #[test]
    fn an_engine_with_several_signs_is_named_once_and_all_engines_are_named() {
        let mut facts = links(&["cali0a1b2c3d4e5", "cilium_host"]);
        facts
            .chains
            .insert(("filter".to_owned(), "cali-FORWARD".to_owned()));
        assert_eq!(names(&facts), ["Cilium", "Calico"]);
    }

    #[test]
    fn a_refusal_says_who_is_there_how_it_was_noticed_and_what_to_do() {
        let facts = chain("filter", "KUBE-ROUTER-FORWARD");
        let words = Refusal::of(find(&facts)).unwrap().to_string();
        for part in [
            "kube-router (chain KUBE-ROUTER-FORWARD in table filter)",
            "--disable-network-policy",
            "--alongside",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }
}
