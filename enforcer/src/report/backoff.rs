//! How long to leave the API server alone after it failed.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(2 * 60);

/// Pauses that double, each shortened by chance so that the daemons of a cluster do not come back
/// all at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure. `chance` is evenly spread over all its values; `asked` is
    /// what the server asked for, if it did, which is the least.
    pub(super) fn failed(&mut self, chance: u64, asked: Option<Duration>) -> Duration {
        let whole = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let pause = spread(whole / 2, whole, chance);
        asked.map_or(pause, |asked| pause.max(asked.min(LONGEST)))
    }

    /// Something went well.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

/// A duration from `least` up to `most`, by chance.
pub(super) fn spread(least: Duration, most: Duration, chance: u64) -> Duration {
    let width = most.saturating_sub(least).as_nanos();
    let part = (width * u128::from(chance)) >> 64;
    least + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_minutes() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..12)
            .map(|_| backoff.failed(u64::MAX, None).as_secs_f64().round())
            .collect();
        let expected = [0., 1., 2., 4., 8., 16., 32., 64., 120., 120., 120., 120.];
        assert_eq!(pauses[1..], expected[1..]);
        backoff.succeeded();
        assert!(backoff.failed(u64::MAX, None) <= FIRST);
    }

    #[test]
    fn chance_takes_up_to_half_away() {
        assert_eq!(Backoff::default().failed(0, None), FIRST / 2);
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let mut backoff = Backoff::default();
        let asked = Duration::from_secs(20);
        assert_eq!(backoff.failed(0, Some(asked)), asked);
        let absurd = Duration::from_secs(24 * 3600);
        assert_eq!(backoff.failed(0, Some(absurd)), LONGEST);
    }
}
