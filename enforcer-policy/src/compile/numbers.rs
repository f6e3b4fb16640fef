//! Numbers for things that come and go.

/// Gives out numbers from 1 (or another first number) upwards.
///
/// A number comes back only after all the others were given out, so that within any span of time
/// that matters a number means one thing.
#[derive(Debug)]
pub(super) struct Numbers {
    first: u32,
    last: u32,
}

impl Numbers {
    /// Numbers from `first`, which is at least 1.
    pub(super) fn from(first: u32) -> Self {
        Self {
            first,
            last: first.saturating_sub(1),
        }
    }

    /// The next number that is not `taken`.
    pub(super) fn next(&mut self, taken: impl Fn(u32) -> bool) -> u32 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(self.first);
            if !taken(self.last) {
                return self.last;
            }
        }
    }
}
