//! Colours of a terminal.

use std::fmt::{self, Display};

use super::Level;

/// A text in the colour of a level, where colours are wanted.
pub(super) struct Painted<T> {
    pub(super) text: T,
    pub(super) level: Option<Level>,
    pub(super) colour: bool,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, level, .. } = self;
        match level.filter(|_| self.colour).and_then(code) {
            Some(code) => write!(f, "{code}{text}\x1b[0m"),
            None => write!(f, "{text}"),
        }
    }
}

const fn code(level: Level) -> Option<&'static str> {
    match level {
        Level::Hint => None,
        Level::Notice => Some("\x1b[33m"),
        Level::Bad => Some("\x1b[1;31m"),
    }
}
