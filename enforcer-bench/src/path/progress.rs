//! What the user sees meanwhile: one line that is drawn anew on a terminal, a line for each round
//! elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

/// How far a bench has come.
pub(super) struct Progress {
    begin: Instant,
    steps: usize,
    done: usize,
    fancy: bool,
}

impl Progress {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            begin: Instant::now(),
            steps,
            done: 0,
            fancy: io::stderr().is_terminal(),
        }
    }

    /// The next step begins.
    pub(super) fn step(&mut self, what: &str) {
        let (steps, time) = (self.steps, self.begin.elapsed().as_secs());
        self.done += 1;
        let text = format!(
            "{:>3}/{steps}  {time:>4} s  {}",
            self.done,
            what.replace("**", "")
        );
        let mut out = io::stderr().lock();
        // Nobody looking is no reason to fail.
        let _ = if self.fancy {
            write!(out, "\r\x1b[2K  {text:.76}").and_then(|()| out.flush())
        } else {
            writeln!(out, "  {text}")
        };
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        if self.fancy {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
