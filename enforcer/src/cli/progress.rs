//! How far something has come: one line of a terminal that is drawn anew, nothing elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

/// The line; gone when dropped.
pub(super) struct Progress {
    what: &'static str,
    fancy: bool,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            fancy: io::stderr().is_terminal(),
        }
    }

    /// So many of so many are done.
    pub(super) fn step(&self, done: usize, all: usize) {
        if self.fancy {
            let mut out = io::stderr().lock();
            // Nobody looking is no reason to fail.
            let drawn = write!(out, "\r\x1b[2K  {done:>4}/{all}  {}", self.what);
            let _ = drawn.and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.fancy {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
