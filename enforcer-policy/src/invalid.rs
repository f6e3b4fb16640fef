//! What is wrong with an object, and what to do about it.

use std::fmt;

/// One thing that is wrong with one field of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// Path of the field from the object's root, as `kubectl explain` writes it, with list indices:
    /// `spec.ingress[0].from[1].ipBlock.cidr`.
    pub field: String,
    /// The kind of mistake.
    pub problem: Problem,
}

impl Invalid {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, problem: Problem) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }
}

/// The kinds of mistakes that make an object unusable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// A required field is missing or empty.
    Missing,
    /// The value is not one of those that the API knows.
    NotOneOf {
        /// What was found.
        found: String,
        /// What the API knows.
        known: &'static [&'static str],
    },
    /// Not a CIDR such as `10.0.0.0/8` or `2001:db8::/32`.
    NotACidr(String),
    /// An `except` that leaves nothing of the `cidr` beside it.
    ExceptCovers {
        /// The except.
        except: String,
        /// The cidr.
        cidr: String,
    },
    /// Not an IP address.
    NotAnAddress(String),
    /// An address of another family than the object says.
    OtherFamily {
        /// The address.
        address: String,
        /// The family.
        family: &'static str,
    },
    /// A port number outside 1–65535.
    PortOutOfRange(i64),
    /// Not a port name: RFC 6335 service name, at most 15 characters, at least one letter.
    NotAPortName(String),
    /// `endPort` without a numeric `port`, or below it.
    EndPort {
        /// The value of `endPort`.
        end: i64,
        /// Why it cannot be.
        why: &'static str,
    },
    /// `ipBlock` together with a selector in the same peer.
    MixedPeer,
    /// A peer with no field at all.
    EmptyPeer,
    /// A label key or value that the API would refuse.
    BadLabel(String),
    /// `values` missing where the operator needs them, or given where it takes none.
    SelectorValues {
        /// The operator.
        operator: String,
        /// Whether it needs values.
        needs: bool,
    },
    /// A name that the API would refuse.
    BadName(String),
    /// More than the API takes.
    TooMany {
        /// Of what, in the grammatical number of `most`.
        what: &'static str,
        /// How many it takes.
        most: usize,
    },
    /// Must be different from all its siblings.
    Duplicate(String),
}

impl Problem {
    /// A stable code, for machines and for searching the documentation.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing-field",
            Self::NotOneOf { .. } => "unknown-value",
            Self::NotACidr(_) => "bad-cidr",
            Self::ExceptCovers { .. } => "except-covers-cidr",
            Self::NotAnAddress(_) => "bad-address",
            Self::OtherFamily { .. } => "wrong-family",
            Self::PortOutOfRange(_) => "bad-port",
            Self::NotAPortName(_) => "bad-port-name",
            Self::EndPort { .. } => "bad-end-port",
            Self::MixedPeer => "mixed-peer",
            Self::EmptyPeer => "empty-peer",
            Self::BadLabel(_) => "bad-label",
            Self::SelectorValues { .. } => "selector-values",
            Self::BadName(_) => "bad-name",
            Self::TooMany { .. } => "too-many",
            Self::Duplicate(_) => "duplicate",
        }
    }

    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Missing => "add the field",
            Self::NotOneOf { .. } => "use one of the values that are listed",
            Self::NotACidr(_) => {
                "write an address and a prefix length, such as 10.0.0.0/8 or 192.0.2.7/32"
            }
            Self::ExceptCovers { .. } => "remove the whole ipBlock, or make the except smaller",
            Self::NotAnAddress(_) => "write an IPv4 or IPv6 address",
            Self::OtherFamily { .. } => "put the addresses of each family into a slice of its own",
            Self::PortOutOfRange(_) => "use a number from 1 to 65535",
            Self::NotAPortName(_) => {
                "use a number without quotes, or a name of up to 15 lower-case letters, digits and dashes with at least one letter"
            }
            Self::EndPort { .. } => "give a numeric port and an endPort that is not below it",
            Self::MixedPeer => "put ipBlock into a list item of its own",
            Self::EmptyPeer => {
                "give podSelector, namespaceSelector or ipBlock, or leave out the whole list to mean every peer"
            }
            Self::BadLabel(_) => {
                "label keys and values are up to 63 letters, digits, '-', '_' and '.'"
            }
            Self::SelectorValues { needs: true, .. } => "list at least one value",
            Self::SelectorValues { needs: false, .. } => "remove the values",
            Self::BadName(_) => "use lower-case letters, digits, '-' and '.'",
            Self::TooMany { .. } => "remove what is too much",
            Self::Duplicate(_) => "remove one of them, or give it a name of its own",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::NotOneOf { found, known } => {
                write!(
                    f,
                    "{found:?} is not known here; the API knows {}",
                    known.join(", ")
                )
            }
            Self::NotACidr(text) => write!(f, "{text:?} is not a CIDR"),
            Self::ExceptCovers { except, cidr } => {
                write!(f, "the except {except} leaves nothing of {cidr}")
            }
            Self::NotAnAddress(text) => write!(f, "{text:?} is not an IP address"),
            Self::OtherFamily { address, family } => {
                write!(f, "{address:?} is not an {family} address")
            }
            Self::PortOutOfRange(port) => write!(f, "{port} is not a port number"),
            Self::NotAPortName(text) => {
                write!(f, "{text:?} is neither a port number nor a port name")
            }
            Self::EndPort { end, why } => write!(f, "endPort {end} {why}"),
            Self::MixedPeer => f.write_str("ipBlock cannot stand beside a selector"),
            Self::EmptyPeer => f.write_str("says nothing about whom it means"),
            Self::BadLabel(text) => write!(f, "{text:?} is not a valid label"),
            Self::SelectorValues {
                operator,
                needs: true,
            } => write!(f, "{operator} needs values"),
            Self::SelectorValues {
                operator,
                needs: false,
            } => write!(f, "{operator} takes no values"),
            Self::BadName(text) => write!(f, "{text:?} is not a valid name"),
            Self::TooMany { what, most } => write!(f, "more than {most} {what}"),
            Self::Duplicate(text) => write!(f, "{text:?} is there already"),
        }
    }
}
