//! Which members of a flow a client wants: so much less travels.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use crate::proto::flow::{Endpoint, Flow};

/// Paths by the names of Cilium's API; nothing is left out where there are none. Of the members of members,
/// those of the two endpoints can be told apart; of others all are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(BTreeSet<String>);

/// A path that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} in the field mask is no member of a flow")]
pub struct NotAMember(String);

/// What Cilium's flows have and ours do not.
const OTHERS: [&str; 19] = [
    "aggregate",
    "auth_type",
    "cgroup_id",
    "debug_capture_point",
    "destination_names",
    "ethernet",
    "extensions",
    "file",
    "interface",
    "ip_trace_id",
    "l7",
    "node_labels",
    "proxy_port",
    "sock_xlate_point",
    "socket_cookie",
    "source_names",
    "trace_context",
    "trace_reason",
    "tunnel",
];

/// Forgets a member.
type Forget = fn(&mut Flow);

/// Forgets a member of an endpoint.
type ForgetOf = fn(&mut Endpoint);

/// The members of an endpoint, and how to forget them.
const OF_ENDPOINT: [(&str, ForgetOf); 7] = [
    ("ID", |endpoint| endpoint.id = 0),
    ("identity", |endpoint| endpoint.identity = 0),
    ("cluster_name", |endpoint| endpoint.cluster_name.clear()),
    ("namespace", |endpoint| endpoint.namespace.clear()),
    ("labels", |endpoint| endpoint.labels.clear()),
    ("pod_name", |endpoint| endpoint.pod_name.clear()),
    ("workloads", |endpoint| endpoint.workloads.clear()),
];

/// Our members, and how to forget them.
const MEMBERS: [(&str, Forget); 26] = [
    ("time", |flow| flow.time = None),
    ("uuid", |flow| flow.uuid.clear()),
    ("emitter", |flow| flow.emitter = None),
    ("verdict", |flow| flow.verdict = 0),
    ("drop_reason", |flow| flow.drop_reason = 0),
    ("IP", |flow| flow.ip = None),
    ("l4", |flow| flow.l4 = None),
    ("source", |flow| flow.source = None),
    ("destination", |flow| flow.destination = None),
    ("Type", |flow| flow.r#type = 0),
    ("node_name", |flow| flow.node_name.clear()),
    ("reply", |flow| flow.reply = false),
    ("event_type", |flow| flow.event_type = None),
    ("source_service", |flow| flow.source_service = None),
    ("destination_service", |flow| {
        flow.destination_service = None;
    }),
    ("traffic_direction", |flow| flow.traffic_direction = 0),
    ("policy_match_type", |flow| flow.policy_match_type = 0),
    ("trace_observation_point", |flow| {
        flow.trace_observation_point = 0;
    }),
    ("drop_reason_desc", |flow| flow.drop_reason_desc = 0),
    ("is_reply", |flow| flow.is_reply = None),
    ("Summary", |flow| flow.summary.clear()),
    ("egress_allowed_by", |flow| flow.egress_allowed_by.clear()),
    ("ingress_allowed_by", |flow| flow.ingress_allowed_by.clear()),
    ("egress_denied_by", |flow| flow.egress_denied_by.clear()),
    ("ingress_denied_by", |flow| flow.ingress_denied_by.clear()),
    ("policy_log", |flow| flow.policy_log.clear()),
];

impl Mask {
    /// Reads a mask; without one, all is wanted.
    ///
    /// # Errors
    /// A path that is no member of a flow.
    pub fn read(mask: Option<FieldMask>) -> Result<Self, NotAMember> {
        let paths = mask.unwrap_or_default().paths;
        match paths.iter().find(|path| !is_member(path)) {
            Some(wrong) => Err(NotAMember(wrong.clone())),
            None => Ok(Self(paths.into_iter().collect())),
        }
    }

    /// Leaves out of a flow what is not wanted.
    pub fn apply(&self, flow: &mut Flow) {
        if self.0.is_empty() {
            return;
        }
        for (name, forget) in MEMBERS {
            if !self.has(name) && !self.has_part_of(name) {
                forget(flow);
            }
        }
        self.apply_to("source", flow.source.as_mut());
        self.apply_to("destination", flow.destination.as_mut());
    }

    fn apply_to(&self, side: &str, endpoint: Option<&mut Endpoint>) {
        let Some(endpoint) = endpoint.filter(|_| !self.has(side)) else {
            return;
        };
        for (name, forget) in OF_ENDPOINT {
            let path = format!("{side}.{name}");
            if !self.has(&path) && !self.has_part_of(&path) {
                forget(endpoint);
            }
        }
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    fn has_part_of(&self, path: &str) -> bool {
        let part = |one: &String| {
            one.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        self.0.iter().any(part)
    }
}

fn is_member(path: &str) -> bool {
    let (member, rest) = path.split_once('.').unwrap_or((path, ""));
    let known = MEMBERS.iter().any(|(name, _)| *name == member) || OTHERS.contains(&member);
    let part = rest.split('.').next().unwrap_or_default();
    let is_part = || OF_ENDPOINT.iter().any(|(name, _)| *name == part);
    known && (!["source", "destination"].contains(&member) || rest.is_empty() || is_part())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::flow;
    use crate::testing::{allowed, node};

    fn mask(paths: &[&str]) -> Result<Mask, NotAMember> {
        let paths = paths.iter().map(ToString::to_string).collect();
        Mask::read(Some(FieldMask { paths }))
    }

    #[test]
    fn without_a_mask_all_is_sent() {
        let whole = flow(&allowed(), &node());
        let mut masked = whole.clone();
        Mask::read(None).unwrap().apply(&mut masked);
        assert_eq!(masked, whole);
    }

    #[test]
    fn only_members_of_the_mask_are_sent() {
        let whole = flow(&allowed(), &node());
        let mut masked = whole.clone();
        let wanted = ["verdict", "source.pod_name", "destination", "l4.TCP", "l7"];
        mask(&wanted).unwrap().apply(&mut masked);
        let source = Endpoint {
            pod_name: "web".to_owned(),
            ..Endpoint::default()
        };
        let expected = Flow {
            verdict: whole.verdict,
            source: Some(source),
            destination: whole.destination,
            l4: whole.l4,
            ..Flow::default()
        };
        assert_eq!(masked, expected);
    }

    #[test]
    fn what_is_no_member_is_an_error_that_names_it() {
        for wrong in ["", "colour", "source.colour", "ip"] {
            let error = mask(&["time", wrong]).unwrap_err();
            assert_eq!(error, NotAMember(wrong.to_owned()));
        }
    }
}
