//! Figures as pictures.

mod draw;

pub use draw::DrawError;
use serde::{Deserialize, Serialize};

use crate::stats::Summary;

/// A picture, as data: it is drawn when the report is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Names the file, within the bench.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How.
    pub drawing: Drawing,
}

/// The ways in which figures are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drawing {
    /// One line for each case, with the measured figure as a box and others' as marks.
    Strips {
        /// What is measured and in what.
        axis: Axis,
        /// From top to bottom.
        strips: Vec<Strip>,
    },
    /// Something against a size.
    Lines {
        /// The size.
        x: Axis,
        /// What depends on it.
        y: Axis,
        /// In the order of the legend.
        lines: Vec<Line>,
    },
}

/// What is measured along a side of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What, and in what.
    pub label: String,
    /// Whether each step multiplies.
    pub logarithmic: bool,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strip {
    /// Its name.
    pub label: String,
    /// What was measured.
    pub measured: Option<Summary>,
    /// What to compare with.
    pub marks: Vec<Mark>,
}

/// A figure from elsewhere: a goal, or what somebody else's program took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Whose; the same words mean the same colour.
    pub series: String,
    /// From.
    pub low: f64,
    /// To; the same as `low` for a single figure.
    pub high: f64,
}

/// One series of points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// Points (x, y), by x.
    pub points: Vec<(f64, f64)>,
}
