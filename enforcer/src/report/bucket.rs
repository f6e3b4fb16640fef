//! Limits of how often the API server is written to.

use std::time::{Duration, Instant};

/// A token bucket: so many at once, and then one every so often.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    burst: u32,
    every: Duration,
    left: u32,
    /// When the last token came in.
    filled: Instant,
}

impl Bucket {
    /// A full bucket. A rate of nothing counts as one.
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self {
            burst: burst.max(1),
            every: Duration::from_secs(1) / per_second.max(1),
            left: burst.max(1),
            filled: now,
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.filled);
        let came = passed.as_nanos() / self.every.as_nanos();
        let came = u32::try_from(came).unwrap_or(u32::MAX);
        if came >= self.burst - self.left {
            self.left = self.burst;
            self.filled = now;
        } else {
            self.left += came;
            self.filled += self.every * came;
        }
        if self.left == 0 {
            return Err(self
                .every
                .saturating_sub(now.saturating_duration_since(self.filled)));
        }
        if self.left == self.burst {
            self.filled = now;
        }
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        std::iter::from_fn(|| bucket.take(now).ok())
            .take(1000)
            .count()
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5, 20, start);
        assert_eq!(taken(&mut bucket, start), 20);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            assert_eq!(taken(&mut bucket, now), 5, "in second {second}");
        }
    }

    #[test]
    fn however_it_is_asked_no_more_than_burst_and_rate_pass() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5, 20, start);
        let asked = (0..10_000).map(|n| start + Duration::from_millis(n));
        let passed = asked.filter(|now| bucket.take(*now).is_ok()).count();
        assert_eq!(passed, 20 + 49);
    }

    #[test]
    fn after_the_told_wait_there_is_a_token() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5, 1, start);
        bucket.take(start).unwrap();
        let wait = bucket.take(start + Duration::from_millis(70)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(130));
        bucket.take(start + Duration::from_millis(200)).unwrap();
    }

    #[test]
    fn rest_fills_no_more_than_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5, 20, start);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), 20);
    }
}
