//! Colours of a terminal.

use std::fmt;

/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Green,
    Red,
    Yellow,
    Dim,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Green => "\x1b[32m",
            Self::Red => "\x1b[1;31m",
            Self::Yellow => "\x1b[33m",
            Self::Dim => "\x1b[2m",
        }
    }

    /// Prints a text in this colour, where colours are wanted.
    pub(super) fn paint(
        self,
        f: &mut fmt::Formatter<'_>,
        wanted: bool,
        text: impl fmt::Display,
    ) -> fmt::Result {
        if wanted {
            write!(f, "{}{text}\x1b[0m", self.code())
        } else {
            write!(f, "{text}")
        }
    }
}
