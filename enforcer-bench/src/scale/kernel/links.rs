//! A node with links, in a network namespace of its own, and the daemon's writer.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use enforcer::datapath::attach::Hook;
use enforcer::datapath::discover::{LinkKind, Links, Namespace, PodLink};
use enforcer::datapath::load::LoadOptions;
use enforcer::datapath::matching::{Matcher, is_here};
use enforcer::datapath::netns::{Netns, NetnsId};
use enforcer::datapath::writer::{Options, Writer};
use enforcer_policy::model::{Change, Cluster, Pod, PodKey};
use enforcer_policy::tables::{Op, Tables};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};

use super::{Side, pins};
use crate::scale::world::HERE;

/// Links beside those of the pods that are there from the start: pods come and go in turn.
const SPARE: usize = 4;

/// A node: what the daemon knows of its links and pods, and its writer.
pub(in crate::scale) struct NodeSide {
    writer: Writer,
    matcher: Matcher,
    /// The namespaces with the links of pods.
    namespaces: Vec<Namespace>,
    id: NetnsId,
    free: Vec<(u32, String)>,
    /// Whose link each is.
    taken: BTreeMap<PodKey, (u32, String)>,
    /// Pods that changed since the writer was last asked to.
    changed: Vec<PodKey>,
}

impl NodeSide {
    /// Makes a network namespace for this thread, which it never leaves, with so many links, and loads
    /// the object.
    pub(in crate::scale) fn start(pods: usize) -> anyhow::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET)
            .context("cannot make a network namespace; root is needed")?;
        let names: Vec<String> = (0..pods + SPARE)
            .map(|number| format!("eb{number}"))
            .collect();
        make_links(&names)?;
        let mut free = Vec::new();
        for name in names.into_iter().rev() {
            let ifindex = if_nametoindex(name.as_str()).with_context(|| format!("link {name}"))?;
            free.push((ifindex, name));
        }
        let writer = Writer::start(Options {
            bpffs: pins(),
            hook: Hook::Auto,
            audit: false,
            pending_deny: false,
            load: LoadOptions::default(),
        })?;
        Ok(Self {
            writer,
            matcher: Matcher::default(),
            namespaces: Vec::new(),
            id: Netns::current()?.id(),
            free,
            taken: BTreeMap::new(),
            changed: Vec::new(),
        })
    }

    /// A pod of this node gets a link, before anybody knows the pod.
    fn give_link(&mut self, key: &PodKey, pod: &Pod) -> anyhow::Result<()> {
        if self.taken.contains_key(key) {
            return Ok(());
        }
        let (ifindex, name) = self.free.pop().context("no link is free")?;
        let path = PathBuf::from(format!("/run/netns/{}-{}", key.namespace, key.name));
        self.namespaces.push(Namespace {
            path: path.clone(),
            id: self.id,
            links: vec![Arc::new(PodLink {
                host_ifindex: ifindex,
                host_name: name.clone(),
                kind: LinkKind::Veth,
                namespace: path,
                pod_ifindex: 2,
                pod_ifname: "eth0".to_owned(),
                addresses: pod.addresses.clone(),
            })],
            unenforceable: Vec::new(),
        });
        self.taken.insert(key.clone(), (ifindex, name));
        Ok(())
    }

    /// What the daemon does when it has found other links.
    fn find(&mut self) {
        self.matcher.set_links(Links {
            namespaces: self.namespaces.clone(),
            ..Links::default()
        });
        self.follow();
    }

    /// What the daemon does when there are other links, or other pods.
    fn follow(&mut self) {
        match self.matcher.update().part {
            Some(part) => self.writer.follow_part(&part),
            None => self.writer.follow(self.matcher.matching(), &[]),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if let Some(why) = self.writer.broken() {
            bail!("a map write failed: {why}");
        }
        if let Some((ifindex, _, why)) = self.writer.failures().next() {
            bail!("link {ifindex}: {why}");
        }
        Ok(())
    }
}

impl Side for NodeSide {
    fn before(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let links = self.taken.len();
        for change in changes {
            let Change::Pod(key, pod) = change else {
                continue;
            };
            if let Some(pod) = pod.as_ref().filter(|pod| is_here(pod, Some(HERE))) {
                self.give_link(key, pod)?;
            }
            self.changed.push(key.clone());
        }
        if self.taken.len() > links {
            self.find();
        }
        self.check()
    }

    fn write(&mut self, ops: &[Op], tables: &Tables, cluster: &Cluster) -> anyhow::Result<()> {
        for key in std::mem::take(&mut self.changed) {
            let pod = cluster
                .pods
                .get(&key)
                .filter(|pod| is_here(pod, Some(HERE)));
            let addresses = pod.map(|pod| pod.addresses.as_slice());
            self.matcher.note(key, addresses);
        }
        self.writer.apply(ops, tables);
        if !self.matcher.is_current() {
            self.follow();
        }
        self.check()
    }

    fn after(&mut self, change: &Change) -> anyhow::Result<()> {
        let Change::Pod(key, None) = change else {
            return Ok(());
        };
        if let Some(link) = self.taken.remove(key) {
            let ifindex = link.0;
            self.namespaces.retain(|namespace| {
                namespace
                    .links
                    .iter()
                    .all(|one| one.host_ifindex != ifindex)
            });
            self.free.push(link);
            self.find();
        }
        self.check()
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.writer.cleanup()?;
        let pins = pins();
        std::fs::remove_dir(&pins).with_context(|| format!("removing {}", pins.display()))
    }
}

/// Makes pairs of links, the first of each of this name and up.
fn make_links(names: &[String]) -> anyhow::Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("running ip (iproute2)")?;
    let mut input = child.stdin.take().context("the input of ip")?;
    for name in names {
        writeln!(input, "link add {name} type veth peer name {name}p")?;
        writeln!(input, "link set {name} up")?;
    }
    drop(input);
    let status = child.wait().context("waiting for ip")?;
    ensure!(status.success(), "ip -batch failed: {status}");
    Ok(())
}
