//! What the test's clients do: they try every target again and again, and write down each attempt.

mod kept;
mod once;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::attempt::{Attempt, Outcome, Target, Way};

/// How often, and how long one attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between the beginnings of two attempts at one target. The next does not wait for the one before.
    pub interval: Duration,
    /// After which nothing is expected any more.
    pub patience: Duration,
}

/// Tries all targets until it is dropped or nobody reads `out` any more, which is no error.
///
/// # Errors
/// When `out` cannot be written to.
pub async fn probe(targets: &[Target], timing: Timing, out: &mut impl Write) -> io::Result<()> {
    let (sender, attempts) = unbounded_channel();
    for target in targets {
        tokio::spawn(try_for_ever(*target, timing, sender.clone()));
    }
    drop(sender);
    match write(attempts, out).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Whole lines, and those that come together at once.
async fn write(mut attempts: UnboundedReceiver<Attempt>, out: &mut impl Write) -> io::Result<()> {
    let mut together = Vec::new();
    while attempts.recv_many(&mut together, 64).await > 0 {
        let mut lines = Vec::new();
        for attempt in together.drain(..) {
            serde_json::to_writer(&mut lines, &attempt)?;
            lines.push(b'\n');
        }
        out.write_all(&lines)?;
        out.flush()?;
    }
    Ok(())
}

async fn try_for_ever(target: Target, timing: Timing, sender: UnboundedSender<Attempt>) {
    let mut kept = None;
    let mut ticks = tokio::time::interval(timing.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !sender.is_closed() {
        ticks.tick().await;
        if target.way == Way::Kept {
            let outcome = kept::exchange(&mut kept, target.address);
            let _ = sender.send(within(target, timing.patience, outcome).await);
            continue;
        }
        let sender = sender.clone();
        tokio::spawn(async move {
            let outcome = once::reach(target);
            let _ = sender.send(within(target, timing.patience, outcome).await);
        });
    }
}

/// One attempt, and what came of it in time.
async fn within(
    target: Target,
    patience: Duration,
    attempt: impl Future<Output = io::Result<()>>,
) -> Attempt {
    let (begin, clock) = (Timestamp::now(), Instant::now());
    let result = tokio::time::timeout(patience, attempt).await;
    let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (outcome, error) = match result {
        Ok(Ok(())) => (Outcome::Connected, None),
        Ok(Err(error)) => read(&error),
        Err(_) => (Outcome::Timeout, None),
    };
    Attempt {
        begin,
        micros,
        to: target,
        outcome,
        error,
    }
}

fn read(error: &io::Error) -> (Outcome, Option<String>) {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, PermissionDenied,
        TimedOut, UnexpectedEof,
    };
    match error.kind() {
        TimedOut => (Outcome::Timeout, None),
        ConnectionRefused | ConnectionReset | UnexpectedEof => (Outcome::Refused, None),
        // "Administratively prohibited" is told as no permission for some codes.
        HostUnreachable | NetworkUnreachable | PermissionDenied => (Outcome::Unreachable, None),
        _ => (Outcome::Failed, Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
