//! clsact: filters at a fixed place, addressed by the link's index.

use std::os::fd::{AsFd, AsRawFd};

use aya::programs::{SchedClassifier, TcAttachType};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use nix::errno::Errno;

use super::{AttachError, Attachment, Place, Program};
use crate::datapath::netlink::{Netlink, NetlinkError};

/// The first there is.
pub(super) const PRIORITY: u16 = 1;

/// The handle of our filters within their priority: "enf1".
const HANDLE: u32 = 0x656e_6631;

/// All protocols (`ETH_P_ALL`).
const ANY_PROTOCOL: u16 = 3;

/// What the names of our filters begin with; the program's name follows.
const OURS: &str = "enforcer_";

/// Attaches, or exchanges the program of the filter that is there; says which.
pub(super) fn attach(
    netlink: &Netlink,
    loaded: &SchedClassifier,
    ifindex: u32,
    program: Program,
) -> Result<bool, AttachError> {
    let descriptor = loaded
        .fd()
        .map_err(|source| AttachError::Program { ifindex, source })?
        .as_fd()
        .as_raw_fd();
    let filters = filters(netlink, ifindex, program.hook())?;
    if filters.iter().any(is_foreign_in_our_place) {
        return Err(AttachError::Occupied { ifindex });
    }
    add_qdisc(netlink, ifindex)?;
    let mut filter = our_filter(ifindex, program.hook());
    filter.attributes.push(TcAttribute::Options(vec![
        TcOption::Bpf(TcFilterBpfOption::ProgFd(descriptor.cast_unsigned())),
        TcOption::Bpf(TcFilterBpfOption::ProgName(our_name(program))),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
    ]));
    let question = Message::NewTrafficFilter(filter);
    netlink
        .ask("a tc filter", &question, NLM_F_ACK | NLM_F_CREATE)
        .map_err(|error| gone(error, ifindex))?;
    Ok(filters.iter().any(|filter| is_ours(filter, program)))
}

/// Says whether there was one.
pub(super) fn detach(
    netlink: &Netlink,
    ifindex: u32,
    program: Program,
) -> Result<bool, AttachError> {
    let filters = filters(netlink, ifindex, program.hook())?;
    if !filters.iter().any(|filter| is_ours(filter, program)) {
        return Ok(false);
    }
    let question = Message::DelTrafficFilter(our_filter(ifindex, program.hook()));
    match netlink.ask("the removal of a tc filter", &question, NLM_F_ACK) {
        Ok(_) => Ok(true),
        // Gone by itself, or with its link.
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENODEV)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// All filters of ours.
pub(super) fn attachments(netlink: &Netlink) -> Result<Vec<Attachment>, AttachError> {
    let mut found = Vec::new();
    for link in netlink.links()? {
        let ifindex = link.header.index;
        for hook in [TcAttachType::Ingress, TcAttachType::Egress] {
            let filters = filters(netlink, ifindex, hook)?;
            let ours = Program::ALL
                .into_iter()
                .filter(|program| filters.iter().any(|filter| is_ours(filter, *program)));
            found.extend(ours.map(|program| Attachment {
                ifindex,
                program,
                place: Place::Clsact,
            }));
        }
    }
    Ok(found)
}

fn add_qdisc(netlink: &Netlink, ifindex: u32) -> Result<(), AttachError> {
    let mut qdisc = TcMessage::with_index(ifindex.cast_signed());
    qdisc.header.parent = TcHandle::CLSACT;
    qdisc.header.handle = TcHandle {
        minor: 0,
        ..TcHandle::CLSACT
    };
    qdisc.attributes = vec![TcAttribute::Kind("clsact".to_owned())];
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    match netlink.ask("a clsact qdisc", &Message::NewQueueDiscipline(qdisc), flags) {
        Err(error) if error.errno() != Some(Errno::EEXIST) => Err(gone(error, ifindex)),
        _ => Ok(()),
    }
}

fn filters(
    netlink: &Netlink,
    ifindex: u32,
    hook: TcAttachType,
) -> Result<Vec<TcMessage>, AttachError> {
    let mut wanted = TcMessage::with_index(ifindex.cast_signed());
    wanted.header.parent = parent(hook);
    let answers = netlink.dump("the list of tc filters", &Message::GetTrafficFilter(wanted))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            Message::NewTrafficFilter(filter) => Some(filter),
            _ => None,
        })
        .collect())
}

/// The message that names our filter.
fn our_filter(ifindex: u32, hook: TcAttachType) -> TcMessage {
    let mut filter = TcMessage::with_index(ifindex.cast_signed());
    filter.header.parent = parent(hook);
    filter.header.handle = HANDLE.into();
    filter.header.info = u32::from(PRIORITY) << 16 | u32::from(ANY_PROTOCOL.to_be());
    filter.attributes = vec![TcAttribute::Kind("bpf".to_owned())];
    filter
}

fn parent(hook: TcAttachType) -> TcHandle {
    TcHandle {
        minor: match hook {
            TcAttachType::Ingress => TcHandle::MIN_INGRESS,
            _ => TcHandle::MIN_EGRESS,
        },
        ..TcHandle::CLSACT
    }
}

fn our_name(program: Program) -> String {
    format!("{OURS}{}", program.name())
}

fn is_in_our_place(filter: &TcMessage) -> bool {
    filter.header.info >> 16 == u32::from(PRIORITY) && u32::from(filter.header.handle) == HANDLE
}

fn is_ours(filter: &TcMessage, program: Program) -> bool {
    is_in_our_place(filter) && name(filter) == Some(our_name(program).as_str())
}

/// A filter with our handle but not our name, or of another kind at our priority (the kernel allows
/// one kind for each).
fn is_foreign_in_our_place(filter: &TcMessage) -> bool {
    let kind = filter
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Kind(kind) => Some(kind.as_str()),
            _ => None,
        });
    let named_ours = name(filter).is_some_and(|name| name.starts_with(OURS));
    filter.header.info >> 16 == u32::from(PRIORITY)
        && (kind != Some("bpf") || is_in_our_place(filter) && !named_ours)
}

fn name(filter: &TcMessage) -> Option<&str> {
    filter
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            TcAttribute::Options(options) => options.iter().find_map(|option| match option {
                TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => Some(name.as_str()),
                _ => None,
            }),
            _ => None,
        })
}

fn gone(error: NetlinkError, ifindex: u32) -> AttachError {
    match error.errno() {
        Some(Errno::ENODEV) => AttachError::Gone(ifindex),
        _ => error.into(),
    }
}
