//! Rules of single cases.
