//! Attaching to real links. Needs root and a built BPF object.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at its first surprise"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use aya::programs::tc::{NlOptions, TcAttachOptions};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use enforcer::datapath::attach::{
    self, AttachError, Attached, Attacher, Attachment, Hook, Place, Program,
};
use enforcer::datapath::bpffs;
use enforcer::datapath::netns::Netns;
use enforcer_lab::{Home, LabError, Namespace};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer.bpf.o"));

/// The link that the tests attach to.
const LINK: &str = "vethenf0";

/// A node with one link and a BPF file system of its own.
struct Node {
    netns: Namespace,
    /// How many daemons it has had.
    daemons: AtomicUsize,
    bpffs: PathBuf,
    _home: Home,
}

impl Node {
    fn new() -> Self {
        let home = Home::create().unwrap();
        let bpffs = home.path().join("bpf");
        let mounted = bpffs::ensure(&bpffs).unwrap();
        assert_eq!(mounted.as_deref(), Some(bpffs.as_path()));
        let netns = Namespace::create(home.path().join("node")).unwrap();
        netns
            .ip(&format!("link add {LINK} type veth peer vethenf1"))
            .unwrap();
        Self {
            netns,
            daemons: AtomicUsize::new(0),
            bpffs,
            _home: home,
        }
    }

    /// A node for a test that is about TCX; where the kernel has none, the test is listed as skipped.
    fn with_tcx(test: &str) -> Option<Self> {
        if *TCX {
            return Some(Self::new());
        }
        enforcer_lab::skip(test, LabError::Unsupported("TCX")).unwrap();
        None
    }

    /// Runs inside the node, as the daemon does.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        Netns::open(self.netns.path()).unwrap().run(work).unwrap()
    }

    fn index(&self) -> u32 {
        let line = self.netns.ip(&format!("-o link show dev {LINK}")).unwrap();
        line.split(':').next().unwrap().parse().unwrap()
    }

    /// Starts a daemon, so to speak: attaches both of its programs. Each has others than the one
    /// before it.
    fn attach(&self, hook: Hook) -> Result<[Attached; 2], AttachError> {
        let ifindex = self.index();
        let number = self.daemons.fetch_add(1, Ordering::Relaxed);
        let object = &LOADED[number % LOADED.len()];
        let mut object = object.lock().unwrap_or_else(PoisonError::into_inner);
        let object: &mut Ebpf = &mut object;
        self.within(|| attach(object, hook, &self.bpffs, ifindex))
    }

    /// Starts a daemon that ends after it attached both of its programs.
    fn attach_and_end(&self, hook: Hook) -> Result<[Attached; 2], AttachError> {
        let ifindex = self.index();
        self.within(|| attach(&mut load(), hook, &self.bpffs, ifindex))
    }

    fn cleanup(&self, hook: Hook) {
        self.within(|| Attacher::new(hook, &self.bpffs).unwrap().cleanup().unwrap());
    }

    fn attachments(&self) -> Vec<Attachment> {
        self.within(|| {
            let attacher = Attacher::new(Hook::Auto, &self.bpffs).unwrap();
            attacher.attachments().unwrap()
        })
    }

    /// The ids of the programs at the TCX hook, in the order in which they run; none where there is no
    /// such hook.
    fn tcx(&self, side: TcAttachType) -> Vec<u32> {
        if !*TCX {
            return Vec::new();
        }
        self.within(|| {
            let (_, programs) = SchedClassifier::query_tcx(LINK, side).unwrap();
            programs
                .iter()
                .map(aya::programs::ProgramInfo::id)
                .collect()
        })
    }

    fn clsact(&self, side: &str) -> String {
        self.netns
            .command("tc", &format!("filter show dev {LINK} {side}"))
            .unwrap()
    }

    fn pins(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.bpffs.join("links")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// The programs of two daemons, loaded once: the verifier takes its time.
static LOADED: LazyLock<[Mutex<Ebpf>; 2]> = LazyLock::new(|| [(), ()].map(|()| Mutex::new(load())));

/// Whether this kernel has TCX.
static TCX: LazyLock<bool> = LazyLock::new(|| {
    let mut object = LOADED[0].lock().unwrap_or_else(PoisonError::into_inner);
    let tried = attach::try_out(Hook::Tcx, program(&mut object, Program::FromPod));
    match tried {
        Ok(_) => true,
        Err(AttachError::NoTcx) => false,
        Err(error) => panic!("{error}"),
    }
});

/// The hooks that this kernel has.
fn hooks() -> Vec<Hook> {
    if *TCX {
        vec![Hook::Tcx, Hook::Clsact]
    } else {
        vec![Hook::Clsact]
    }
}

fn load() -> Ebpf {
    assert!(
        !OBJECT.is_empty(),
        "no BPF object; run `cargo xtask build-ebpf`"
    );
    let mut loader = EbpfLoader::new();
    // Attaching needs no room in the maps that are made in full at once.
    for map in ["ENDPOINTS", "FLOWS_V4", "FLOWS_V6", "FRAGMENTS", "PORTS"] {
        loader.map_max_entries(map, 64);
    }
    let mut object = loader.load(OBJECT).unwrap();
    for which in Program::POD {
        program(&mut object, which).load().unwrap();
    }
    object
}

fn program(object: &mut Ebpf, which: Program) -> &mut SchedClassifier {
    let program = object.program_mut(which.name()).unwrap();
    program.try_into().unwrap()
}

fn attach(
    object: &mut Ebpf,
    hook: Hook,
    bpffs: &Path,
    ifindex: u32,
) -> Result<[Attached; 2], AttachError> {
    let mut attacher = Attacher::new(hook, bpffs)?;
    let mut one = |which| attacher.attach(program(object, which), ifindex, which);
    Ok([one(Program::FromPod)?, one(Program::ToPod)?])
}

fn both(ifindex: u32, place: Place) -> Vec<Attachment> {
    let attachment = |program| Attachment {
        ifindex,
        program,
        place,
    };
    Program::POD.map(attachment).to_vec()
}

fn fresh(place: Place) -> [Attached; 2] {
    [Attached {
        place,
        replaced: false,
    }; 2]
}

fn replaced(place: Place) -> [Attached; 2] {
    [Attached {
        place,
        replaced: true,
    }; 2]
}

#[test]
fn tcx_links_outlive_the_process_that_made_them() {
    let Some(node) = Node::with_tcx("tcx_links_outlive_the_process_that_made_them") else {
        return;
    };
    assert_eq!(node.attach_and_end(Hook::Tcx).unwrap(), fresh(Place::Tcx));
    assert_eq!(node.attachments(), both(node.index(), Place::Tcx));
    assert_eq!(node.tcx(TcAttachType::Ingress).len(), 1);
    assert_eq!(node.tcx(TcAttachType::Egress).len(), 1);
}

#[test]
fn clsact_filters_outlive_the_process_that_made_them() {
    let node = Node::new();
    assert_eq!(
        node.attach_and_end(Hook::Clsact).unwrap(),
        fresh(Place::Clsact)
    );
    assert_eq!(node.attachments(), both(node.index(), Place::Clsact));
    assert!(
        node.clsact("ingress")
            .contains("enforcer_from_pod direct-action")
    );
    assert!(
        node.clsact("egress")
            .contains("enforcer_to_pod direct-action")
    );
}

#[test]
fn a_second_daemon_exchanges_the_program_of_the_tcx_link() {
    let Some(node) = Node::with_tcx("a_second_daemon_exchanges_the_program_of_the_tcx_link") else {
        return;
    };
    node.attach(Hook::Tcx).unwrap();
    let first = node.tcx(TcAttachType::Ingress);
    assert_eq!(node.attach(Hook::Tcx).unwrap(), replaced(Place::Tcx));
    let second = node.tcx(TcAttachType::Ingress);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[test]
fn a_second_daemon_exchanges_the_program_of_the_clsact_filter() {
    let node = Node::new();
    let id = |text: String| text.split(" id ").nth(1).map(str::to_owned);
    node.attach(Hook::Clsact).unwrap();
    let first = node.clsact("egress");
    assert_eq!(node.attach(Hook::Clsact).unwrap(), replaced(Place::Clsact));
    let second = node.clsact("egress");
    assert_eq!(second.matches("enforcer_to_pod").count(), 1, "{second}");
    assert_ne!(id(first).unwrap(), id(second).unwrap());
}

#[test]
fn another_hook_takes_over_and_leaves_nothing_at_the_old_one() {
    let Some(node) = Node::with_tcx("another_hook_takes_over_and_leaves_nothing_at_the_old_one")
    else {
        return;
    };
    node.attach(Hook::Tcx).unwrap();
    assert_eq!(node.attach(Hook::Clsact).unwrap(), replaced(Place::Clsact));
    assert_eq!(node.attachments(), both(node.index(), Place::Clsact));
    assert_eq!(node.tcx(TcAttachType::Ingress), [] as [u32; 0]);
    assert_eq!(node.attach(Hook::Tcx).unwrap(), replaced(Place::Tcx));
    assert_eq!(node.attachments(), both(node.index(), Place::Tcx));
}

#[test]
fn auto_takes_the_best_hook_that_this_kernel_has() {
    let node = Node::new();
    let best = match node.attach(Hook::Tcx) {
        Ok(_) => Place::Tcx,
        Err(AttachError::NoTcx) => Place::Clsact,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(node.attach(Hook::Auto).unwrap()[0].place, best);
}

#[test]
fn a_hook_is_tried_out_without_a_trace() {
    let node = Node::new();
    let best = hooks()[0];
    let mut object = LOADED[1].lock().unwrap_or_else(PoisonError::into_inner);
    let object: &mut Ebpf = &mut object;
    let mut tried = |hook| node.within(|| attach::try_out(hook, program(object, Program::FromPod)));
    let best = if best == Hook::Tcx {
        Place::Tcx
    } else {
        Place::Clsact
    };
    assert_eq!(tried(Hook::Auto).unwrap(), best);
    assert_eq!(tried(Hook::Clsact).unwrap(), Place::Clsact);
    assert_eq!(node.attachments(), []);
}

#[test]
fn a_pin_whose_device_is_gone_gives_way_to_a_new_link() {
    let Some(node) = Node::with_tcx("a_pin_whose_device_is_gone_gives_way_to_a_new_link") else {
        return;
    };
    let ifindex = node.index();
    node.attach(Hook::Tcx).unwrap();
    node.netns.ip(&format!("link delete {LINK}")).unwrap();
    // The same index again, as the kernel does after a while.
    node.netns
        .ip(&format!(
            "link add {LINK} index {ifindex} type veth peer vethenf1"
        ))
        .unwrap();
    assert_eq!(node.attach(Hook::Tcx).unwrap(), fresh(Place::Tcx));
    assert_eq!(node.tcx(TcAttachType::Ingress).len(), 1);
}

#[test]
fn pins_of_devices_that_are_gone_are_swept_by_a_listing() {
    let Some(node) = Node::with_tcx("pins_of_devices_that_are_gone_are_swept_by_a_listing") else {
        return;
    };
    node.attach(Hook::Tcx).unwrap();
    node.netns.ip(&format!("link delete {LINK}")).unwrap();
    assert_eq!(node.pins().len(), 2);
    assert_eq!(node.attachments(), []);
    assert_eq!(node.pins(), [] as [&str; 0]);
}

#[test]
fn a_link_that_is_not_there_is_said_to_be_gone() {
    let node = Node::new();
    for hook in [hooks(), vec![Hook::Auto]].concat() {
        let mut object = LOADED[0].lock().unwrap_or_else(PoisonError::into_inner);
        let object: &mut Ebpf = &mut object;
        let error = node
            .within(|| attach(object, hook, &node.bpffs, 4711))
            .unwrap_err();
        assert!(matches!(error, AttachError::Gone(4711)), "{error}");
    }
}

#[test]
fn detaching_takes_effect_at_once_and_says_whether_there_was_anything() {
    let node = Node::new();
    let ifindex = node.index();
    for hook in hooks() {
        node.attach(hook).unwrap();
        let outcomes = node.within(|| {
            let mut attacher = Attacher::new(hook, &node.bpffs).unwrap();
            [0, 1].map(|_| attacher.detach(ifindex, Program::FromPod).unwrap())
        });
        assert_eq!(outcomes, [true, false]);
        assert_eq!(node.tcx(TcAttachType::Ingress), [] as [u32; 0]);
        assert_eq!(node.clsact("ingress"), "");
        let left: Vec<_> = node.attachments().iter().map(|one| one.program).collect();
        assert_eq!(left, [Program::ToPod]);
    }
}

#[test]
fn cleanup_leaves_nothing_of_ours() {
    let node = Node::new();
    for hook in hooks() {
        node.attach(hook).unwrap();
        node.within(|| {
            let mut attacher = Attacher::new(hook, &node.bpffs).unwrap();
            attacher.cleanup().unwrap();
            // And may be repeated.
            attacher.cleanup().unwrap();
        });
        assert_eq!(node.tcx(TcAttachType::Egress), [] as [u32; 0]);
        assert_eq!(node.clsact("egress"), "");
        assert!(!node.bpffs.join("links").exists());
    }
}

#[test]
fn ours_runs_before_foreign_tcx_programs_and_leaves_them_alone() {
    let Some(node) = Node::with_tcx("ours_runs_before_foreign_tcx_programs_and_leaves_them_alone")
    else {
        return;
    };
    let mut foreign = load();
    node.within(|| {
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let foreign = program(&mut foreign, Program::FromPod);
        foreign
            .attach_with_options(LINK, TcAttachType::Ingress, options)
            .unwrap();
    });
    let theirs = node.tcx(TcAttachType::Ingress);
    node.attach(Hook::Tcx).unwrap();
    let all = node.tcx(TcAttachType::Ingress);
    assert_eq!((all.len(), all[1]), (2, theirs[0]));
    node.cleanup(Hook::Tcx);
    assert_eq!(node.tcx(TcAttachType::Ingress), theirs);
}

#[test]
fn ours_runs_before_foreign_clsact_filters_and_leaves_them_alone() {
    let node = Node::new();
    let mut foreign = load();
    node.netns
        .command("tc", &format!("qdisc add dev {LINK} clsact"))
        .unwrap();
    node.within(|| {
        let options = NlOptions {
            priority: 1,
            ..NlOptions::default()
        };
        let foreign = program(&mut foreign, Program::FromPod);
        let options = TcAttachOptions::Netlink(options);
        foreign
            .attach_with_options(LINK, TcAttachType::Ingress, options)
            .unwrap();
    });
    let theirs = node.clsact("ingress");
    assert!(theirs.contains("from_pod direct-action"), "{theirs}");
    assert_eq!(node.attach(Hook::Clsact).unwrap(), fresh(Place::Clsact));
    let all = node.clsact("ingress");
    let ours = all.find("enforcer_from_pod").unwrap();
    assert!(ours < all.rfind(" from_pod").unwrap(), "{all}");
    node.cleanup(Hook::Clsact);
    assert_eq!(node.clsact("ingress"), theirs);
}

#[test]
fn a_foreign_filter_of_another_kind_in_our_place_is_named_as_the_obstacle() {
    let node = Node::new();
    node.netns
        .command("tc", &format!("qdisc add dev {LINK} clsact"))
        .unwrap();
    let filter = format!("filter add dev {LINK} ingress prio 1 protocol ip u32 match u32 0 0");
    node.netns.command("tc", &filter).unwrap();
    let error = node.attach(Hook::Clsact).unwrap_err();
    assert!(matches!(error, AttachError::Occupied { .. }), "{error}");
    assert!(node.clsact("ingress").contains("u32"));
}

#[test]
fn a_bpf_file_system_that_is_there_is_used() {
    let node = Node::new();
    assert_eq!(bpffs::ensure(&node.bpffs).unwrap(), None);
    let below = node.bpffs.join("deeper/still");
    assert_eq!(bpffs::ensure(&below).unwrap(), None);
    assert!(below.is_dir());
}
