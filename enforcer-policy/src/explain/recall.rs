//! Many questions about the same pods: what does not depend on the question is found out once.

use std::collections::HashMap;
use std::sync::Arc;

use enforcer_common::abi::Direction;

use super::prepared::{Peer, Prepared};
use super::{Asked, Explanation, PeerSide};
use crate::compile::Compiler;
use crate::model::PodKey;

/// Rules that are kept ready, for all pods together.
const RULES: usize = 1 << 17;

/// Numbers that are kept of peers, for all pods together, and what a peer itself counts.
const NUMBERS: usize = 1 << 19;
const PEER: usize = 32;

/// Prepared rules that nobody asked for during so many changes of the cluster go.
const CHANGES: u32 = 16;

/// Explains connections as [`super::explain_by`] does. What it keeps has a limit, and holds until the
/// cluster changes; the rules of a pod, until others apply to it.
#[derive(Debug, Default)]
pub struct Explainer {
    /// [`Compiler::age`] at the last question.
    age: u64,
    changes: u32,
    pods: HashMap<PodKey, [Option<OfPod>; 2]>,
    prepared: HashMap<(Arc<[u32]>, Direction), Kept>,
    /// What is kept of rules and of peers.
    rules: usize,
    numbers: usize,
}

#[derive(Debug)]
struct OfPod {
    prepared: Arc<Prepared>,
    peers: HashMap<PeerSide, Peer>,
}

#[derive(Debug)]
struct Kept {
    prepared: Arc<Prepared>,
    /// Whether somebody asked since it was last looked through.
    asked: bool,
}

impl Explainer {
    /// Why `pod` may or may not have this connection with `peer`; see [`super::explain`]. The compiler is
    /// the same each time.
    pub fn explain(
        &mut self,
        compiler: &Compiler,
        pod: &PodKey,
        direction: Direction,
        peer: &PeerSide,
        protocol: u8,
        port: u16,
    ) -> Explanation {
        let cluster = compiler.cluster();
        let Some(asked) = Asked::new(cluster, pod, direction, peer, protocol, port) else {
            return Explanation::default();
        };
        self.forget(compiler.age());
        if self.numbers > NUMBERS {
            self.forget_peers();
        }
        let Some(of_pod) = self.of_pod(compiler, &asked, direction) else {
            return Explanation::default();
        };
        let prepared = Arc::clone(&of_pod.prepared);
        let weight = |peer: &Peer| PEER + peer.weight();
        if let Some(known) = of_pod.peers.get_mut(peer) {
            let before = weight(known);
            let explanation = prepared.explain(&asked, known);
            self.numbers += weight(known) - before;
            return explanation;
        }
        let mut new = prepared.peer(&asked);
        let explanation = prepared.explain(&asked, &mut new);
        let added = weight(&new);
        of_pod.peers.insert(peer.clone(), new);
        self.numbers += added;
        explanation
    }

    /// Forgets what may be otherwise now.
    fn forget(&mut self, age: u64) {
        if self.age == age {
            return;
        }
        self.age = age;
        self.pods.clear();
        self.numbers = 0;
        self.changes += 1;
        if self.changes >= CHANGES {
            self.changes = 0;
            self.prepared
                .retain(|_, kept| std::mem::take(&mut kept.asked));
            let kept = self.prepared.values();
            self.rules = kept.map(|kept| kept.prepared.weight()).sum();
        }
    }

    fn forget_peers(&mut self) {
        let pods = self.pods.values_mut().flatten().flatten();
        pods.for_each(|pod| pod.peers = HashMap::new());
        self.numbers = 0;
    }

    fn of_pod(
        &mut self,
        compiler: &Compiler,
        asked: &Asked<'_>,
        direction: Direction,
    ) -> Option<&mut OfPod> {
        let (pod, _) = asked.pod;
        let known = self
            .pods
            .get(pod)
            .and_then(|both| both.get(direction.index()));
        if !matches!(known, Some(Some(_))) {
            let prepared = self.prepared(compiler, asked, direction);
            let both = self.pods.entry(pod.clone()).or_default();
            *both.get_mut(direction.index())? = Some(OfPod {
                prepared,
                peers: HashMap::new(),
            });
        }
        self.pods.get_mut(pod)?.get_mut(direction.index())?.as_mut()
    }

    fn prepared(
        &mut self,
        compiler: &Compiler,
        asked: &Asked<'_>,
        direction: Direction,
    ) -> Arc<Prepared> {
        let (pod, _) = asked.pod;
        let whose: (Arc<[u32]>, _) = (compiler.applying_numbers(pod).into(), direction);
        if let Some(kept) = self.prepared.get_mut(&whose) {
            kept.asked = true;
            return Arc::clone(&kept.prepared);
        }
        let policies = compiler.isolating(pod, direction);
        let prepared = Prepared::new(asked, &policies, direction);
        if self.rules + prepared.weight() > RULES {
            self.prepared.clear();
            self.pods.clear();
            (self.rules, self.numbers) = (0, 0);
        }
        self.rules += prepared.weight();
        let prepared = Arc::new(prepared);
        let kept = Kept {
            prepared: Arc::clone(&prepared),
            asked: true,
        };
        self.prepared.insert(whose, kept);
        prepared
    }
}
