//! The only one that writes to the kernel: operations of the compiler and links of pods in, maps
//! and attached programs out.

mod adoption;
mod held;
mod links;
mod numbering;
mod readback;
mod revocation;
mod tags;
mod uplinks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use enforcer_common::abi::{ABI_VERSION, Endpoint};
use enforcer_policy::model::PodKey;
use enforcer_policy::tables::{Op, Tables};

use super::attach::{AttachError, Attacher, Hook, Place};
use super::batch::{self, BatchError};
use super::bpffs::{self, BpffsError};
use super::clock::{self, ClockError};
use super::denials::Denials;
use super::discover::{NodeLink, PodLink};
use super::features::{self, FeatureError};
use super::load::{self, LoadError, LoadOptions};
use super::maps::{self, Maps, MapsError};
use super::packet_log::{self, PacketLogError};
use super::seed::{SeedError, Seeds};
use held::Held;
use numbering::Numbering;
pub use readback::Step;
use tags::Tags;

/// Why the datapath cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// Flows could not be taken over.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// Entries could not be written.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// No BPF file system.
    #[error(transparent)]
    Bpffs(#[from] BpffsError),
    /// The programs cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel has no hook for programs.
    #[error(transparent)]
    Kernel(#[from] FeatureError),
    /// The clock of the programs cannot be asked.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The maps cannot be used.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// Attaching does not work at all.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The programs' log cannot be read.
    #[error(transparent)]
    PacketLog(#[from] PacketLogError),
    /// The directory of pins cannot be made or removed.
    #[error("cannot use the directory of pins {}: {source}", path.display())]
    Pins {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of pins, on a BPF file system; one is mounted where there is none.
    pub bpffs: PathBuf,
    /// Which hook to attach to.
    pub hook: Hook,
    /// Report what policy would drop, and let it pass.
    pub audit: bool,
    /// What passes at a link before its pod is known: nothing, or everything.
    pub pending_deny: bool,
    /// How to load.
    pub load: LoadOptions,
}

/// Whose link it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Pod(PodKey),
    /// A pod's link in another network, with addresses of its own.
    Second(PodKey, Arc<PodLink>),
    /// Nobody that is known (yet).
    Pending,
    /// Nobody can say: two pods or two namespaces have its address. Nothing passes, because each
    /// policy that may be meant could forbid it.
    Doubtful,
}

impl Owner {
    fn pod(&self) -> Option<&PodKey> {
        match self {
            Self::Pod(pod) | Self::Second(pod, _) => Some(pod),
            Self::Pending | Self::Doubtful => None,
        }
    }

    /// The endpoint of the link, from that of its pod.
    fn endpoint(&self, of_pod: Endpoint) -> Endpoint {
        match self {
            Self::Second(_, link) => link.second(of_pod),
            Self::Pod(_) | Self::Pending | Self::Doubtful => of_pod,
        }
    }
}

/// Who is to have which link, by index, and the name of the node's side.
type Wanted<'a> = BTreeMap<u32, (Owner, &'a str)>;

/// A link that programs are attached to.
#[derive(Clone, Debug)]
struct Link {
    owner: Owner,
    name: String,
    place: Place,
}

/// The kernel side of the daemon.
pub struct Writer {
    // The programs live in it.
    ebpf: Ebpf,
    maps: Maps,
    seeds: Seeds,
    attacher: Attacher,
    place: Place,
    numbering: Numbering,
    options: Options,
    pins: PathBuf,
    /// Endpoints as the compiler has them.
    endpoints: BTreeMap<PodKey, Endpoint>,
    links: Held,
    tags: Tags,
    /// Links that are no pod's, by index: their names, and whether packets have Ethernet headers.
    uplinks: BTreeMap<u32, NodeLink>,
    /// Links that could not be attached to, and why.
    failures: BTreeMap<u32, (Option<PodKey>, String)>,
    /// A write failed: every endpoint denies until everything has been written again.
    broken: Option<String>,
    /// The kernel's table of connections could not be read, and that has been said.
    without_table: bool,
    /// Pods whose policy may have revoked connections since they were last told.
    suspects: BTreeSet<PodKey>,
}

impl Writer {
    /// Loads programs and maps. Nothing is attached, and what an earlier daemon attached goes on
    /// as it was until [`Writer::follow`] replaces it link by link.
    pub fn start(mut options: Options) -> Result<Self, WriterError> {
        if let Some(mounted) = bpffs::ensure(&options.bpffs)? {
            tracing::info!(path = %mounted.display(), "mounted a BPF file system");
        }
        let pins = options.bpffs.join(format!("v{ABI_VERSION}"));
        std::fs::create_dir_all(&pins).map_err(|source| WriterError::Pins {
            path: pins.clone(),
            source,
        })?;
        let earlier = maps::pinned_endpoints(&pins);
        options.load.lasting = Some(pins.clone());
        let mut ebpf = load::load(&options.load)?;
        clock::load(&mut ebpf)?;
        batch::load(&mut ebpf)?;
        let place = features::require_hook(options.hook, clock::program(&mut ebpf)?)?;
        maps::pin_continuations(&ebpf, &pins)?;
        let maps = Maps::take(&mut ebpf)?;
        let seeds = Seeds::take(&mut ebpf)?;
        if options.load.trace {
            packet_log::start(&mut ebpf)?;
        }
        let attacher = Attacher::new(options.hook, &options.bpffs)?;
        Ok(Self {
            ebpf,
            maps,
            seeds,
            attacher,
            place,
            numbering: Numbering::after(earlier),
            options,
            pins,
            endpoints: BTreeMap::new(),
            links: Held::default(),
            tags: Tags::default(),
            uplinks: BTreeMap::new(),
            failures: BTreeMap::new(),
            broken: None,
            without_table: false,
            suspects: BTreeSet::new(),
        })
    }

    /// The ring buffer of events; can be taken once.
    pub fn take_events(&mut self) -> Result<RingBuf<MapData>, MapsError> {
        maps::take_events(&mut self.ebpf)
    }

    /// What the programs count of denials; can be taken once.
    pub fn take_denials(&mut self) -> Result<Denials, MapsError> {
        Denials::take(&mut self.ebpf, &self.maps)
    }

    /// The maps, for reading.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// Does the operations in their order. Where one fails, every isolated endpoint falls to deny,
    /// because nobody can say which verdicts the kernel has; `tables`, what the operations lead to,
    /// is then written as a whole, at once and again at every call, until that succeeds.
    pub fn apply(&mut self, ops: &[Op], tables: &Tables) {
        if let Err(error) = self.write_all(ops) {
            tracing::error!(%error, "a map write failed; isolated endpoints deny everything until it succeeds");
            self.broken = Some(error.to_string());
        }
        if self.broken.is_some() {
            self.rewrite(tables);
        }
    }

    /// What becomes isolated takes its connections over before that.
    fn write_all(&mut self, ops: &[Op]) -> Result<(), MapsError> {
        let (mut adoption, first) = self.adoption_before(ops);
        self.suspect_before(ops);
        let (before, switch) = ops.split_at(first);
        self.write_in_turn(before)?;
        self.adopt(&mut adoption);
        self.write_in_turn(switch)?;
        self.adopt(&mut adoption);
        Ok(())
    }

    /// Many at once where that can be done. What the program could not write is written alone, so that a
    /// failure names its map.
    fn write_in_turn(&mut self, mut ops: &[Op]) -> Result<(), MapsError> {
        while let Some((op, others)) = ops.split_first() {
            let done = batch::write(&self.ebpf, ops);
            if done == 0 {
                self.write(op)?;
                ops = others;
            } else {
                ops = &ops[done..];
            }
        }
        Ok(())
    }

    fn rewrite(&mut self, tables: &Tables) {
        self.endpoints.clone_from(&tables.endpoints);
        let pods: Vec<PodKey> = self.endpoints.keys().cloned().collect();
        for pod in &pods {
            // Failing here leaves the endpoint as it is; the error is the one already reported.
            let _ = self.write_endpoint(pod);
        }
        if let Err(error) = self.maps.restore(tables) {
            self.broken = Some(error.to_string());
            return;
        }
        self.broken = None;
        self.suspects.extend(pods.iter().cloned());
        let restored = pods.iter().try_for_each(|pod| self.write_endpoint(pod));
        match restored {
            Ok(()) => tracing::info!("all tables written again; endpoints are back in force"),
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    fn write(&mut self, op: &Op) -> Result<(), MapsError> {
        match op {
            Op::PutEndpoint(pod, endpoint) => {
                self.endpoints.insert(pod.clone(), *endpoint);
                self.write_endpoint(pod)
            }
            Op::DeleteEndpoint(pod) => {
                self.endpoints.remove(pod);
                self.write_endpoint(pod)
            }
            table => self.maps.apply(table),
        }
    }

    /// Writes the endpoint of every link of a pod. A pod that is not (any more) is pending.
    fn write_endpoint(&mut self, pod: &PodKey) -> Result<(), MapsError> {
        self.links_of(pod)
            .into_iter()
            .try_for_each(|(ifindex, owner)| self.put_endpoint(ifindex, &owner))
    }

    /// The links of a pod, by index.
    fn links_of(&self, pod: &PodKey) -> Vec<(u32, Owner)> {
        let links = self.links.of(pod);
        links
            .map(|(ifindex, link)| (ifindex, link.owner.clone()))
            .collect()
    }

    fn put_endpoint(&mut self, ifindex: u32, owner: &Owner) -> Result<(), MapsError> {
        let endpoint = self.endpoint(ifindex, owner)?;
        self.maps.put_endpoint(ifindex, &endpoint)
    }

    /// The endpoint that a link is to have; who its tag means is written.
    fn endpoint(&mut self, ifindex: u32, owner: &Owner) -> Result<Endpoint, MapsError> {
        let of_pod = owner.pod().and_then(|pod| self.endpoints.get(pod));
        let compiled = of_pod.map(|endpoint| owner.endpoint(*endpoint));
        let held = self.options.pending_deny || *owner == Owner::Doubtful;
        let mut endpoint = match compiled {
            Some(endpoint) => self.numbering.in_kernel(ifindex, endpoint),
            None => without_pod(ifindex, held),
        };
        if self.broken.is_some() && endpoint.flags & Endpoint::ISOLATED != 0 {
            endpoint.flags |= Endpoint::DENY_ALL;
        }
        if let Some(tag) = self.tags.of(ifindex, |index| self.links.contains(index)) {
            if u32::from(tag) != ifindex {
                self.maps.put_sender(tag, ifindex)?;
            }
            endpoint.tag = u32::from(tag);
        }
        if self.options.audit {
            endpoint.flags |= Endpoint::AUDIT;
        }
        Ok(endpoint)
    }

    /// Where programs are attached.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Links by pod, with the name of the host's side and the hook.
    pub fn links(&self) -> impl Iterator<Item = (Option<&PodKey>, u32, &str, Place)> {
        self.links
            .iter()
            .map(|(ifindex, link)| (link.owner.pod(), *ifindex, link.name.as_str(), link.place))
    }

    /// The pods that have links here, by the number that their flows have.
    pub fn owners_of_flows(&self) -> BTreeMap<u32, PodKey> {
        let pods = self.links.values().filter_map(|link| link.owner.pod());
        pods.filter_map(|pod| {
            let endpoint = self.endpoints.get(pod)?;
            Some((self.numbering.known(endpoint.id)?, pod.clone()))
        })
        .collect()
    }

    /// The time as flows are dated.
    pub fn now(&mut self) -> Result<u32, ClockError> {
        clock::now(&mut self.ebpf)
    }

    /// The directory of the maps that hold connections.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// The pod of a link.
    pub fn pod_of(&self, ifindex: u32) -> Option<&PodKey> {
        self.links.get(ifindex)?.owner.pod()
    }

    /// Whether programs on this link enforce what is compiled for this pod.
    pub fn enforces(&self, ifindex: u32, pod: &PodKey) -> bool {
        self.pod_of(ifindex) == Some(pod) && self.endpoints.contains_key(pod)
    }

    /// Links that could not be attached to: whose they are, and why.
    pub fn failures(&self) -> impl Iterator<Item = (u32, Option<&PodKey>, &str)> {
        self.failures
            .iter()
            .map(|(ifindex, (pod, why))| (*ifindex, pod.as_ref(), why.as_str()))
    }

    /// What keeps the tables from being in force, if anything.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Detaches everything and removes all pins.
    pub fn cleanup(mut self) -> Result<(), WriterError> {
        self.attacher.cleanup()?;
        remove_pins(&self.pins)
    }
}

/// The endpoint of a link whose pod is not known. Either everything passes there or, where it is
/// held, nothing.
pub(crate) fn without_pod(ifindex: u32, held: bool) -> Endpoint {
    let mut endpoint = Numbering::pending(ifindex);
    if held {
        endpoint.flags |= Endpoint::DENY_ALL;
    }
    endpoint
}

fn remove_pins(pins: &Path) -> Result<(), WriterError> {
    let failed = |source| WriterError::Pins {
        path: pins.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(pins).map_err(failed)? {
        std::fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
    }
    std::fs::remove_dir(pins).map_err(failed)
}
