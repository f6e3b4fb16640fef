//! Ctrl-C and SIGTERM end the demo in good order: everything that waits looks here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
const TICK: Duration = Duration::from_millis(10);

/// From now on the signals no longer end the process; [`check`] tells of them.
pub(super) fn listen() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&INTERRUPTED))
            .context("listening to signals")?;
    }
    Ok(())
}

/// An error once a signal came.
pub(super) fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!("interrupted");
    }
    Ok(())
}

/// Waits.
pub(super) fn pause(time: Duration) -> Result<()> {
    until(time, || Ok(None::<()>)).map(|_| ())
}

/// Asks again and again until there is an answer, at most for this long.
pub(super) fn until<T>(
    time: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let end = Instant::now() + time;
    loop {
        check()?;
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        thread::sleep(TICK);
    }
}
