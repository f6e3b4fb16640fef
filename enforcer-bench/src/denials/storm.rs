//! Frames that nobody allows.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use enforcer::datapath::frame;
use enforcer_common::parse::number;
use enforcer_lab::Wire;

/// What differs from frame to frame. The client's port always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing else.
    OneSource,
    /// The source: one of four million.
    RandomSources,
    /// The port that is asked for: one of sixty thousand.
    RandomPorts,
}

impl Shape {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::OneSource => "one source, one port",
            Self::RandomSources => "random sources, one port",
            Self::RandomPorts => "one source, random ports",
        }
    }

    fn frame(self, random: u32, to: Ipv4Addr) -> Option<Vec<u8>> {
        let client = 1024 + u16::try_from(random % 60_000).ok()?;
        let source = match self {
            Self::RandomSources => Ipv4Addr::new(100, 64, 0, 0).to_bits() + (random >> 10),
            Self::OneSource | Self::RandomPorts => Ipv4Addr::new(100, 64, 0, 1).to_bits(),
        };
        let port = match self {
            Self::RandomPorts => 1024 + u16::try_from((random >> 8) % 60_000).ok()?,
            Self::OneSource | Self::RandomSources => 80,
        };
        let source = IpAddr::V4(Ipv4Addr::from_bits(source));
        let segment = frame::tcp((client, port), frame::SYN);
        let mut frame = frame::ip(source, to.into(), number::TCP, &segment)?;
        // The node, which forwards it, wants it right.
        let sum = checksum(&frame[HEADER]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        Some(frame)
    }
}

/// Where the IPv4 header is.
const HEADER: std::ops::Range<usize> = 14..34;

/// The checksum of a header in which it is 0 (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    let [high, low] = [sum >> 16, sum & 0xffff];
    let folded = high + low;
    !u16::try_from(folded % 0xffff).unwrap_or_default()
}

/// Where frames go.
pub(super) struct Aim {
    pub(super) wire: Wire,
    /// The MAC address of the node's side.
    pub(super) node: [u8; 6],
    pub(super) pod: Ipv4Addr,
}

/// Frames that are sent in one go.
const BURST: u32 = 64;

impl Aim {
    /// Sends for this time, and says how many.
    pub(super) fn storm(&self, shape: Shape, rate: u32, time: Duration) -> Result<u64> {
        let begin = Instant::now();
        let (mut sent, mut state) = (0_u64, 0x9e37_79b9_7f4a_7c15_u64);
        while begin.elapsed() < time {
            for _ in 0..BURST {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let random = u32::try_from(state >> 32)?;
                let mut frame = shape.frame(random, self.pod).context("a frame")?;
                frame[..6].copy_from_slice(&self.node);
                frame[6..12].copy_from_slice(&self.wire.mac);
                self.wire.send(&frame)?;
            }
            sent += u64::from(BURST);
            let due = Duration::from_secs_f64(sent_f64(sent) / f64::from(rate));
            // Shorter waits would take longer.
            let early = due.saturating_sub(begin.elapsed());
            if early > Duration::from_micros(500) {
                thread::sleep(early);
            }
        }
        Ok(sent)
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2⁵² frames")]
fn sent_f64(sent: u64) -> f64 {
    sent as f64
}
