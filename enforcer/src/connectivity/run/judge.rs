//! Whether attempts are as a case expects.

use crate::connectivity::attempt::{Outcome, Way};
use crate::connectivity::evidence::{Evidence, Moment};
use crate::connectivity::stage::Cell;

/// How many attempts in a row must agree.
const RUN: usize = 3;
/// The same for a connection that is kept: its attempts wait for each other.
const RUN_KEPT: usize = 2;

/// What a connection that is allowed, or not, must look like. A reset would come from somebody; policies drop.
pub(super) const fn expected(cell: &Cell) -> Outcome {
    if cell.allowed {
        Outcome::Connected
    } else {
        Outcome::Timeout
    }
}

const fn run(cell: &Cell) -> usize {
    match cell.target.way {
        Way::Kept => RUN_KEPT,
        Way::Tcp | Way::Udp => RUN,
    }
}

/// For each connection whether it is as expected since a moment.
///
/// Before a policy counts everything passes, so what must pass says nothing then. So only what is denied is
/// asked first; what must pass has to pass after all of that has begun to be denied.
pub(super) fn judge(evidence: &Evidence, cells: &[Cell], since: Moment) -> Vec<bool> {
    let agree = |cell: &Cell, since| {
        let pair = (cell.from, cell.target);
        evidence.agree(pair, expected(cell), since, run(cell))
    };
    let denied = cells.iter().filter(|cell| !cell.allowed);
    let begins: Option<Vec<Moment>> = denied.map(|cell| agree(cell, since)).collect();
    // Where one is not denied nothing is known about the moment.
    let counts = begins.and_then(|all| all.into_iter().max());
    let counts = counts.unwrap_or(since);
    let judged = cells.iter().map(|cell| {
        let since = if cell.allowed { counts } else { since };
        agree(cell, since).is_some()
    });
    judged.collect()
}

/// Whether all of these passed once since a moment.
pub(super) fn all_pass<'a>(
    evidence: &Evidence,
    cells: impl IntoIterator<Item = &'a Cell>,
    since: Moment,
) -> bool {
    let mut cells = cells.into_iter();
    cells.all(|cell| passes(evidence, cell, since))
}

/// Whether one passed, the last time it was tried since a moment.
pub(super) fn passes(evidence: &Evidence, cell: &Cell, since: Moment) -> bool {
    let pair = (cell.from, cell.target);
    evidence.agree(pair, Outcome::Connected, since, 1).is_some()
}

#[cfg(test)]
mod tests;
