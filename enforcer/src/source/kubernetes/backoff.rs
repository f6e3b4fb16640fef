//! How long to wait before the next attempt.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The first wait is up to this.
const FIRST: Duration = Duration::from_millis(500);

/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double, each by chance between half of it and all of it, so that the nodes of a
/// cluster do not come back at the same moment.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The wait after one more failure; not shorter than what the server asked for.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        let upper = self.next;
        self.next = (upper * 2).min(LONGEST);
        let own = upper / 2 + upper * chance(1024) / 2048;
        // Those that were all told the same number of seconds are spread by their own wait.
        asked.map_or(own, |asked| asked.min(2 * LONGEST) + own / 2)
    }

    /// The next failure is a first one again.
    pub(super) fn succeeded(&mut self) {
        self.next = FIRST;
    }
}

/// A number below `end`, by chance: the standard library seeds its hashes so.
pub(super) fn chance(end: u32) -> u32 {
    let bits = RandomState::new().build_hasher().finish();
    u32::try_from(bits % u64::from(end.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let mut upper = FIRST;
        for _ in 0..10 {
            let wait = backoff.wait(None);
            assert!(wait >= upper / 2 && wait <= upper, "{wait:?} of {upper:?}");
            upper = (upper * 2).min(LONGEST);
        }
        assert_eq!(upper, LONGEST);
        backoff.succeeded();
        assert!(backoff.wait(None) <= FIRST);
    }

    #[test]
    fn the_server_is_never_asked_earlier_than_it_wants() {
        let asked = Duration::from_secs(7);
        assert!(Backoff::default().wait(Some(asked)) >= asked);
    }

    #[test]
    fn not_all_wait_alike() {
        let waits: Vec<Duration> = (0..20).map(|_| Backoff::default().wait(None)).collect();
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
