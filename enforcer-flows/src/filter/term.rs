//! One term of a filter: `WHAT=[not:][from:|to:]VALUE`.

use std::fmt;
use std::str::FromStr;

use super::test::Test;
use super::{TermError, What, values};
use crate::record::{Party, Record};

/// Which side of a flow is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Either.
    #[default]
    Either,
    /// The source of the packet.
    From,
    /// Its destination.
    To,
}

/// One term of a filter. Its text is `WHAT=[not:][from:|to:]VALUE`; no value begins with one of these
/// prefixes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    // In the order of groups.
    what: What,
    side: Side,
    negated: bool,
    test: Test,
}

const NOT: &str = "not:";
const FROM: &str = "from:";
const TO: &str = "to:";

impl Term {
    /// Reads what stands behind the `=`.
    ///
    /// # Errors
    /// When there is no such value, or no side to this.
    pub fn parse(what: What, text: &str) -> Result<Self, TermError> {
        let (negated, text) = match text.strip_prefix(NOT) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (side, value) = if let Some(value) = text.strip_prefix(FROM) {
            (Side::From, value)
        } else if let Some(value) = text.strip_prefix(TO) {
            (Side::To, value)
        } else {
            (Side::Either, text)
        };
        if side != Side::Either && !what.has_sides() {
            return Err(TermError::NoSides(what));
        }
        let test = values::read(what, value)?;
        Ok(Self {
            what: test.what(),
            side,
            negated,
            test,
        })
    }

    /// What it is about.
    pub const fn what(&self) -> What {
        self.what
    }

    /// The side it is about.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Whether it must not hold.
    pub const fn is_negated(&self) -> bool {
        self.negated
    }

    /// Terms of one group are alternatives.
    pub(super) const fn group(&self) -> (What, Side, bool) {
        (self.what, self.side, self.negated)
    }

    /// Whether it holds for the node of this name as the one that reports, negated or not; `None` where it
    /// is not about that.
    pub(super) fn means_node(&self, name: &str) -> Option<bool> {
        (self.side == Side::Either)
            .then(|| self.test.means_node(name))
            .flatten()
    }

    /// Whether it holds for somebody, negated or not.
    pub(super) fn means(&self, party: &Party) -> bool {
        self.test.holds_for(party)
    }

    /// Whether it holds, negated or not.
    pub(super) fn holds(&self, record: &Record) -> bool {
        match self.side {
            Side::Either => self.test.holds(record),
            Side::From => self.test.holds_for(&record.source),
            Side::To => self.test.holds_for(&record.destination),
        }
    }
}

impl FromStr for Term {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| TermError::NotATerm(text.to_owned()))?;
        let what = What::from_name(name).ok_or_else(|| TermError::Unknown {
            found: name.to_owned(),
        })?;
        Self::parse(what, value)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Either => "",
            Side::From => FROM,
            Side::To => TO,
        };
        let not = if self.negated { NOT } else { "" };
        write!(f, "{}={not}{side}{}", self.what, self.test)
    }
}
