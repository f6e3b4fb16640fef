//! What the probes have seen so far, in one clock.

use std::collections::{BTreeMap, VecDeque};

use super::attempt::{Attempt, Outcome, Target};
use super::stage::ClientPod;

/// Most attempts that are kept of one client and target.
const MOST: usize = 200;

/// A moment of this process's clock, in microseconds since 1970.
pub(super) type Moment = i64;

/// Who tries what.
pub(super) type Pair = (ClientPod, Target);

/// All attempts that count.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// How much a client's clock is behind ours, at most: by the line that came the quickest.
    behind: BTreeMap<ClientPod, Moment>,
    /// By the client's own clock, the earliest first.
    tries: BTreeMap<Pair, VecDeque<(Moment, Outcome)>>,
    /// What a client last said of itself.
    errors: BTreeMap<ClientPod, String>,
}

impl Evidence {
    /// Takes what a client wrote, which came here at this moment.
    pub(super) fn take(&mut self, client: ClientPod, attempt: Attempt, now: Moment) {
        let begin = attempt.begin.as_microsecond();
        let end = begin.saturating_add_unsigned(attempt.micros);
        let behind = self.behind.entry(client).or_insert(Moment::MAX);
        *behind = (*behind).min(now.saturating_sub(end));
        if let Some(error) = attempt.error {
            self.errors.insert(client, error);
        }
        let tries = self.tries.entry((client, attempt.to)).or_default();
        // What takes long is written after what began later.
        let later = tries.iter().rev().take_while(|(other, _)| *other >= begin);
        let place = tries.len() - later.count();
        // After a broken stream lines come again.
        if tries.get(place).is_none_or(|(other, _)| *other != begin) {
            tries.insert(place, (begin, attempt.outcome));
        }
        if tries.len() > MOST {
            tries.pop_front();
        }
    }

    /// The attempts that began at or after a moment, and when.
    pub(super) fn since(
        &self,
        pair: Pair,
        since: Moment,
    ) -> impl DoubleEndedIterator<Item = (Moment, Outcome)> {
        let behind = self.behind.get(&pair.0).copied().unwrap_or_default();
        let tries = self.tries.get(&pair).into_iter().flatten();
        tries
            .map(move |(begin, outcome)| (begin.saturating_add(behind), *outcome))
            .filter(move |(begin, _)| *begin >= since)
    }

    /// When the last `run` attempts began, if all of them had this outcome and began at or after `since`.
    pub(super) fn agree(
        &self,
        pair: Pair,
        wanted: Outcome,
        since: Moment,
        run: usize,
    ) -> Option<Moment> {
        let last: Vec<_> = self.since(pair, since).rev().take(run).collect();
        let agrees = last.len() == run && last.iter().all(|(_, outcome)| *outcome == wanted);
        last.last().filter(|_| agrees).map(|(begin, _)| *begin)
    }

    /// How the attempts since a moment went.
    pub(super) fn counts(&self, pair: Pair, since: Moment) -> BTreeMap<Outcome, usize> {
        let mut counts = BTreeMap::new();
        for (_, outcome) in self.since(pair, since) {
            *counts.entry(outcome).or_default() += 1;
        }
        counts
    }

    /// Why a client could not try, if it said so.
    pub(super) fn error(&self, client: ClientPod) -> Option<&str> {
        self.errors.get(&client).map(String::as_str)
    }

    /// Whether a client has said anything.
    pub(super) fn has(&self, client: ClientPod) -> bool {
        self.behind.contains_key(&client)
    }
}

#[cfg(test)]
mod tests;
