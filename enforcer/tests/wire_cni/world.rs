//! A node on which pods are held.

use std::thread::{self, sleep};

use enforcer_lab::{Families, Namespace, Shape};
use serde_json::{Value, json};

use crate::common::{Node, pod_object, policy};
use crate::runtime::{Added, Runtime, Sandbox};
use crate::traffic::{A_WHILE, Receiver, Sender};

/// Allows `app: held` UDP port 81, in both directions, and nothing else.
pub(crate) fn only_81() -> Value {
    let port = json!([{"ports": [{"port": 81, "protocol": "UDP"}]}]);
    policy(
        "held",
        &json!({
            "podSelector": {"matchLabels": {"app": "held"}},
            "policyTypes": ["Ingress", "Egress"], "ingress": port, "egress": port,
        }),
    )
}

/// A network namespace where the daemon looks for them.
pub(crate) fn namespace(node: &Node, name: &str) -> Namespace {
    Namespace::create(node.lab.netns_dir().join(name)).unwrap()
}

/// A pod of these tests, whose status is not known yet.
pub(crate) fn held(name: &str) -> Value {
    pod_object(name, &[("app", "held")], &[])
}

/// A node, and somebody outside that counts what reaches port 80.
pub(crate) struct World {
    pub(crate) forbidden: Receiver,
    pub(crate) runtime: Runtime,
    pub(crate) node: Node,
}

impl World {
    /// With the policy, and without a daemon.
    pub(crate) fn new() -> Self {
        let node = Node::new(Shape::Ptp, Families::Dual);
        node.put(&only_81());
        Self {
            forbidden: Receiver::start(&node.lab.outside, 80),
            runtime: Runtime::ptp(&node),
            node,
        }
    }

    pub(crate) fn with_daemon() -> Self {
        let mut world = Self::new();
        world.node.start("");
        world
    }

    /// Runs `ADD` on a thread of its own; what it returned, and a sender that begins at that moment.
    pub(crate) fn add<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        sandbox: &'scope Sandbox,
        space: &'scope Namespace,
    ) -> thread::ScopedJoinHandle<'scope, Result<(Added, Sender), Value>> {
        let (runtime, node) = (&self.runtime, self.host());
        let outside = self.node.lab.outside_addresses();
        scope.spawn(move || {
            let added = runtime.add(node, sandbox)?;
            Ok((added, Sender::start(space, &outside, 80)))
        })
    }

    /// The node's network namespace.
    pub(crate) fn host(&self) -> &Namespace {
        &self.node.lab.node
    }

    /// Fails when something has passed; senders must be running.
    pub(crate) fn nothing_passes(&self, sender: &Sender) {
        let sent = sender.sent();
        sleep(A_WHILE);
        assert!(sender.sent() > sent, "nothing is sent");
        assert_eq!(self.forbidden.count(), 0);
    }
}
