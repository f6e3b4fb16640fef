//! The compiler against what the rules mean, on small random clusters.

mod generate;
mod lookup;
mod meaning;
mod properties;
mod rare;
