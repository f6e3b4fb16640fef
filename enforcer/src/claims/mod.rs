//! What the container runtime said about pods: which got which addresses in which network namespace.
//!
//! A claim comes from the CNI plugin, before the pod's `status` has any address. It stands for the
//! status until that is there, and from then on the status alone counts.

mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use enforcer_cni::protocol::{Attachment, Hold};
use enforcer_policy::model::{Pod, PodKey, Uid};
use serde::{Deserialize, Serialize};

use crate::datapath::discover::Links;
use crate::datapath::netns::{Netns, NetnsId};
use store::Store;
pub use store::StoreError;

/// The link that has the pod's addresses, as all container runtimes of Kubernetes name it. Other
/// attachments of a pod are second networks, whose addresses no status tells.
const PRIMARY: &str = "eth0";

/// An attachment of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What the plugin said.
    #[serde(flatten)]
    pub hold: Hold,
    /// Later claims have greater ones.
    sequence: u64,
    /// What was known of the pod when the claim came: addresses of its earlier sandboxes, which
    /// the status goes on telling until the kubelet writes it anew.
    earlier: BTreeSet<IpAddr>,
}

impl Claim {
    /// The pod.
    pub fn pod(&self) -> PodKey {
        PodKey {
            namespace: self.hold.namespace.as_str().into(),
            name: self.hold.pod.as_str().into(),
        }
    }

    /// The network namespace.
    pub fn netns(&self) -> NetnsId {
        netns(&self.hold)
    }

    /// Whether a question repeats it, perhaps with less patience.
    fn says(&self, hold: &Hold) -> bool {
        let wait = hold.wait;
        *hold
            == Hold {
                wait,
                ..self.hold.clone()
            }
    }

    fn is_named(&self, key: &PodKey) -> bool {
        self.hold.namespace == key.namespace && self.hold.pod == key.name
    }

    /// Whether this is of an earlier sandbox of the same pod.
    fn is_before(&self, later: &Self) -> bool {
        let (one, other) = (&self.hold, &later.hold);
        one.attachment.ifname == other.attachment.ifname
            && later.is_named(&self.pod())
            && one.uid == other.uid
    }

    /// Whether this may be a claim of this pod, and none of an earlier or later one of its name.
    pub fn is_of(&self, pod: &Pod) -> bool {
        let uid = self.hold.uid.as_ref().and_then(|uid| uid.parse().ok());
        uid.is_none_or(|uid: Uid| pod.uid.is_none_or(|other| other == uid))
    }
}

/// All claims of this node.
#[derive(Debug)]
pub struct Claims {
    store: Store,
    /// Where this process has network namespaces.
    netns_dir: PathBuf,
    all: BTreeMap<Attachment, Claim>,
    /// Those that the runtime is removing.
    released: BTreeSet<Attachment>,
    /// The addresses in the status of pods that have those of a claim instead.
    amended: BTreeMap<PodKey, Vec<IpAddr>>,
    /// Pods of which it was logged that status and claim contradict each other.
    contradicted: BTreeSet<PodKey>,
}

impl Claims {
    /// Reads what an earlier daemon remembered. What cannot be used, or whose namespace is gone, is
    /// removed.
    pub fn load(directory: &Path, netns_dir: &Path) -> Self {
        let store = Store::new(directory);
        let mut claims = Self {
            all: store.load(),
            store,
            netns_dir: netns_dir.to_owned(),
            released: BTreeSet::new(),
            amended: BTreeMap::new(),
            contradicted: BTreeSet::new(),
        };
        claims.forget_gone(&Links::default());
        claims
    }

    /// Takes a claim over. `pod` is what is in force of the pod, if anything.
    pub fn put(&mut self, hold: Hold, pod: Option<&Pod>) -> Result<(), StoreError> {
        if self
            .get(&hold.attachment)
            .is_some_and(|known| known.says(&hold))
        {
            // Asked again, because a daemon was exchanged in between.
            return Ok(());
        }
        let mut claim = Claim {
            hold,
            sequence: 1,
            earlier: BTreeSet::new(),
        };
        if let Some(pod) = pod.filter(|pod| claim.is_of(pod)) {
            claim.earlier.extend(&pod.addresses);
        }
        for other in self.all.values() {
            claim.sequence = claim.sequence.max(other.sequence + 1);
            if other.is_before(&claim) {
                claim.earlier.extend(&other.earlier);
                claim.earlier.extend(&other.hold.addresses);
            }
        }
        for address in &claim.hold.addresses {
            claim.earlier.remove(address);
        }
        self.store.write(&claim)?;
        self.released.remove(&claim.hold.attachment);
        self.all.insert(claim.hold.attachment.clone(), claim);
        Ok(())
    }

    /// The runtime removes an attachment. What may still run in it stays under its policies until
    /// the link is gone: see [`Claims::forget_gone`].
    pub fn release(&mut self, attachment: &Attachment) {
        if self.all.contains_key(attachment) {
            self.store.remove(attachment);
            self.released.insert(attachment.clone());
        }
    }

    /// The runtime has no attachments of a network but these.
    pub fn retain(&mut self, network: &str, valid: &BTreeSet<Attachment>) {
        let gone = self.which(|claim| {
            claim.hold.network == network && !valid.contains(&claim.hold.attachment)
        });
        for attachment in &gone {
            self.release(attachment);
        }
    }

    /// Forgets released attachments whose links are not found any more, and all whose network
    /// namespace is gone; gives their pods.
    pub fn forget_gone(&mut self, links: &Links) -> BTreeSet<PodKey> {
        let gone = self.which(|claim| {
            let spaces = &links.namespaces;
            let space = spaces.iter().find(|space| space.id == claim.netns());
            match space {
                Some(space) => {
                    self.released.contains(&claim.hold.attachment)
                        && !space.has(&claim.hold.attachment.ifname)
                }
                None => self.file(&claim.hold).is_none(),
            }
        });
        let mut pods = BTreeSet::new();
        for attachment in gone {
            self.store.remove(&attachment);
            self.released.remove(&attachment);
            pods.extend(self.all.remove(&attachment).map(|claim| claim.pod()));
        }
        pods
    }

    fn which(&self, wanted: impl Fn(&Claim) -> bool) -> Vec<Attachment> {
        let found = self.all.values().filter(|claim| wanted(claim));
        found.map(|claim| claim.hold.attachment.clone()).collect()
    }

    /// Forgets everything, for good.
    pub fn clear(self) {
        self.store.clear();
    }

    /// The claim of an attachment that is not being removed.
    pub fn get(&self, attachment: &Attachment) -> Option<&Claim> {
        let claim = self.all.get(attachment);
        claim.filter(|_| !self.released.contains(attachment))
    }

    /// The pods that have claims.
    pub fn pods(&self) -> BTreeSet<PodKey> {
        self.all.values().map(Claim::pod).collect()
    }

    /// The files of namespaces with claims.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let files = self.all.values().map(|claim| self.file(&claim.hold));
        files.flatten().collect()
    }

    /// The file of a namespace as this process has it: its file system may lack what the runtime's
    /// path leads through.
    pub fn file(&self, hold: &Hold) -> Option<PathBuf> {
        let path = &hold.netns;
        let without_link = path.strip_prefix("/var/run").ok();
        let without_link = without_link.map(|rest| Path::new("/run").join(rest));
        let here = path.file_name().map(|name| self.netns_dir.join(name));
        let wanted = netns(hold);
        let mut candidates = [Some(path.clone()), without_link, here]
            .into_iter()
            .flatten();
        candidates.find(|path| Netns::open(path).is_ok_and(|netns| netns.id() == wanted))
    }

    /// Forgets what is known of a pod that is gone.
    pub fn lost(&mut self, key: &PodKey) {
        self.amended.remove(key);
        self.contradicted.remove(key);
    }

    /// Gives a pod, as its source has it, the addresses of its claim, as long as its status has none
    /// or only those from before the claim.
    pub fn amend(&mut self, key: &PodKey, pod: &mut Pod) {
        self.amended.remove(key);
        let Some(claim) = self.of(key, pod) else {
            self.contradicted.remove(key);
            return;
        };
        let claimed = claim.hold.addresses.clone();
        let mut told = pod.addresses.iter();
        let stands_in = told.all(|address| claim.earlier.contains(address));
        if claimed.is_empty() || same(&claimed, &pod.addresses) {
            self.contradicted.remove(key);
        } else if stands_in {
            let status = std::mem::replace(&mut pod.addresses, claimed);
            self.amended.insert(key.clone(), status);
        } else if self.contradicted.insert(key.clone()) {
            tracing::warn!(pod = %key, status = ?pod.addresses, ?claimed, "the status of a pod has other addresses than the container runtime told; the status counts");
        }
    }

    /// A pod as its source has it, from what [`Claims::amend`] made of it.
    pub fn original(&self, key: &PodKey, pod: &Pod) -> Pod {
        let status = self.amended.get(key);
        Pod {
            addresses: status.unwrap_or(&pod.addresses).clone(),
            ..pod.clone()
        }
    }

    /// The latest claim of a pod for its own addresses.
    fn of(&self, key: &PodKey, pod: &Pod) -> Option<&Claim> {
        let claims = self.all.values().filter(|claim| {
            claim.hold.attachment.ifname == PRIMARY && claim.is_named(key) && claim.is_of(pod)
        });
        claims.max_by_key(|claim| claim.sequence)
    }
}

fn netns(hold: &Hold) -> NetnsId {
    NetnsId {
        device: hold.device,
        inode: hold.inode,
    }
}

fn same(one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}
