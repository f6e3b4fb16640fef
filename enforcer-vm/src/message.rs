//! What a machine tells.

use serde::{Deserialize, Serialize};

/// What the lines of the console that are messages begin with.
pub const MARK: &str = "@enforcer-vm ";

/// A line of the console that is meant for `cargo xtask vm-test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The kernel runs the first process.
    Booted {
        /// What the kernel calls itself.
        release: String,
    },
    /// A job begins.
    Started {
        /// Its name.
        job: String,
    },
    /// A job has ended.
    Ended {
        /// Its name.
        job: String,
        /// How.
        outcome: Outcome,
        /// How long it took.
        milliseconds: u64,
        /// What it wrote to its standard output and error.
        output: String,
        /// The tests that found that the kernel lacks what they are about, one on a line.
        skipped: String,
    },
    /// What the kernel complained about: warnings and worse.
    Complaints {
        /// Lines of its log.
        lines: Vec<String>,
    },
    /// The machine stops, everything is done.
    Done,
    /// The machine stops, because the first process cannot do its work.
    Failed {
        /// Why.
        error: String,
    },
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It had no time left.
    TimedOut,
    /// It did not begin.
    NotStarted(String),
}

impl Message {
    /// The message in a line of the console, if there is one.
    pub fn read(line: &str) -> Option<Self> {
        let (_, message) = line.split_once(MARK)?;
        serde_json::from_str(message.trim_end()).ok()
    }

    /// The line that carries this message, without its end.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{MARK}{}", serde_json::to_string(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Outcome};

    #[test]
    fn a_message_survives_its_way_over_the_console() {
        let message = Message::Ended {
            job: "kernel".to_owned(),
            outcome: Outcome::Exited(101),
            milliseconds: 7,
            output: "two\nlines \u{1b}[1m".to_owned(),
            skipped: String::new(),
        };
        // A terminal ends lines in its own way, and the kernel does not always end its own.
        let line = format!("[  1.0] x{}\r\n", message.line().unwrap());
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(Message::read(&line), Some(message));
    }

    #[test]
    fn the_kernels_own_words_are_no_message() {
        assert_eq!(Message::read("[    0.000000] Linux version 5.10"), None);
        assert_eq!(Message::read("@enforcer-vm {\"Ended\":"), None);
    }
}
