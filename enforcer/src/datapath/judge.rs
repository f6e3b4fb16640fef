//! Who can say what becomes of a packet: the verdict algorithm on the host
//! ([`super::memory::Memory`]), or the loaded programs ([`super::probe::Probe`]).

use aya::programs::ProgramError;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint};

use super::features;
use super::load::LoadError;
use super::maps::MapsError;
use super::told::ToldError;

/// The link on which judges put the endpoint they are asked about. The kernel's test runs take
/// place on the loopback link.
pub const LINK: u32 = 1;

/// Some other link: where a packet came in that neither the node nor the endpoint itself sent.
pub const OTHER_LINK: u32 = 2;

/// A packet at a hook of an endpoint's link.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// `Egress` when the pod sends it, `Ingress` when it is on its way to the pod.
    pub hook: Direction,
    /// The link through which it came to the host: 0 when the host made it, [`LINK`] for the
    /// endpoint's own.
    pub ingress_ifindex: u32,
    /// It is a deferred packet of the endpoint, at a link that is no pod's: where its real destination
    /// is known, on its way out. Then `hook` and `ingress_ifindex` say nothing.
    pub leaving: bool,
    /// It stands for several packets on the wire.
    pub segmented: bool,
    /// Its bytes, Ethernet header first.
    pub bytes: &'a [u8],
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The programs could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The maps could not be read or written.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// The kernel did not run the program.
    #[error("the kernel refused a test run of {program} with a packet of {length} bytes: {source}")]
    TestRun {
        /// The program.
        program: &'static str,
        /// Length of the packet.
        length: usize,
        /// What the kernel said.
        source: ProgramError,
    },
    /// Which link a packet came by decides about it, and the kernel cannot be told.
    #[error(
        "this kernel (Linux {}) has no test runs of packets that came by a link (Linux 5.16); ask without --kernel",
        features::release()
    )]
    Untold,
    /// Whether it can be told could not be found out.
    #[error(transparent)]
    Told(Box<ToldError>),
    /// A program returned what it should not, or counted something else than it returned.
    #[error("{program} returned {action}, which does not go with {reason:?}")]
    Contradiction {
        /// The program.
        program: &'static str,
        /// What it returned.
        action: i32,
        /// What it counted.
        reason: Option<Reason>,
    },
}

impl From<ToldError> for JudgeError {
    fn from(error: ToldError) -> Self {
        Self::Told(Box::new(error))
    }
}

/// Says what becomes of packets. Flows and fragments are remembered from one packet to the next.
pub trait Judge {
    /// Judges a packet on the link of `endpoint`, which is taken as it is given here.
    fn judge(&mut self, endpoint: &Endpoint, arrival: &Arrival<'_>) -> Result<Reason, JudgeError>;
}
