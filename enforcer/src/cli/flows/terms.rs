//! The filters of `enforcer flows`, one option for each.

use clap::Args;
use enforcer_flows::{Filter, Term, What};

/// The filters.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct TermArgs {
    /// Namespace of a pod or service; * and ? are wildcards.
    #[arg(long, short, value_name = "NAME", value_parser = term(What::Namespace))]
    namespace: Vec<Term>,
    /// A pod; a bare name is one of the namespace default, NS/ are all of a namespace; * and ? are wildcards.
    #[arg(long, value_name = "NS/POD", value_parser = term(What::Pod))]
    pod: Vec<Term>,
    /// What a pod belongs to, such as Deployment/api, or just api.
    #[arg(long, value_name = "KIND/NAME", value_parser = term(What::Workload))]
    workload: Vec<Term>,
    /// Labels of a pod, as `kubectl --selector` takes them.
    #[arg(long, short, value_name = "SELECTOR", value_parser = term(What::Label))]
    label: Vec<Term>,
    /// A service whose address is not translated yet.
    #[arg(long, value_name = "NS/NAME", value_parser = term(What::Service))]
    service: Vec<Term>,
    /// An address, or all of a CIDR.
    #[arg(long, value_name = "IP|CIDR", value_parser = term(What::Ip))]
    ip: Vec<Term>,
    /// A port, or a range.
    #[arg(long, value_name = "N|N-M", value_parser = term(What::Port))]
    port: Vec<Term>,
    /// A class of addresses that policies do not tell apart: --output wide shows it.
    #[arg(long, value_name = "N", value_parser = term(What::Identity))]
    identity: Vec<Term>,
    /// The node that reports; with from: or to: the node of that side.
    #[arg(long, value_name = "NAME", value_parser = term(What::Node))]
    node: Vec<Term>,
    /// TCP, UDP, SCTP, ICMP, ICMPv6, ARP, or a number.
    #[arg(long, value_name = "NAME|N", value_parser = term(What::Protocol))]
    protocol: Vec<Term>,
    /// allowed, denied or audit.
    #[arg(long, value_name = "VERDICT", value_parser = term(What::Verdict))]
    verdict: Vec<Term>,
    /// opened, denied, audited or closed.
    #[arg(long, value_name = "KIND", value_parser = term(What::Kind))]
    kind: Vec<Term>,
    /// A reason that `enforcer status` counts by, such as policy-denied.
    #[arg(long, value_name = "NAME", value_parser = term(What::Reason))]
    reason: Vec<Term>,
    /// A policy that isolates the pod, or whose rule allowed the flow.
    #[arg(long, value_name = "NS/NAME", value_parser = term(What::Policy))]
    policy: Vec<Term>,
    /// ingress or egress: whose policy was asked.
    #[arg(long, value_name = "DIRECTION", value_parser = term(What::Direction))]
    direction: Vec<Term>,
}

fn term(what: What) -> impl Fn(&str) -> Result<Term, enforcer_flows::filter::TermError> + Clone {
    move |text| Term::parse(what, text)
}

impl TermArgs {
    pub(super) fn filter(self) -> Filter {
        let all = [
            self.namespace,
            self.pod,
            self.workload,
            self.label,
            self.service,
            self.ip,
            self.port,
            self.identity,
            self.node,
            self.protocol,
            self.verdict,
            self.kind,
            self.reason,
            self.policy,
            self.direction,
        ];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        terms: TermArgs,
    }

    #[test]
    fn every_filter_is_an_option_that_may_be_repeated() {
        let value = |what: What| match what {
            What::Label => "a=b",
            What::Ip => "10.0.0.1",
            What::Port | What::Identity => "7",
            What::Protocol => "TCP",
            What::Verdict | What::Kind => "denied",
            What::Reason => "policy-denied",
            What::Direction => "egress",
            _ => "a/b",
        };
        for what in What::ALL {
            let value = match what {
                What::Namespace | What::Node => "a",
                other => value(other),
            };
            let option = format!("--{what}");
            let not = format!("not:{value}");
            let line = Line::parse_from(["flows", &option, value, &option, &not]);
            let filter = line.terms.filter();
            assert_eq!(filter.terms().len(), 2, "{what}");
            assert!(filter.terms().iter().all(|term| term.what() == what));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_can_be_written() {
        let error = Line::try_parse_from(["flows", "--port", "http"]).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("8000-8100"), "{error}");
    }
}
