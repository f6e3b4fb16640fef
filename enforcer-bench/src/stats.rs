//! Medians, quartiles, rounds that take turns.

use serde::{Deserialize, Serialize};

/// What is said of several samples of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many samples there are.
    pub samples: usize,
    /// The smallest.
    pub least: f64,
    /// A quarter of the samples is below this.
    pub low: f64,
    /// Half of the samples is below this.
    pub median: f64,
    /// A quarter of the samples is above this.
    pub high: f64,
    /// The largest.
    pub most: f64,
}

impl Summary {
    /// Of these samples, in any order; `None` when there are none.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            samples: sorted.len(),
            least: *sorted.first()?,
            low: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            high: quantile(&sorted, 0.75)?,
            most: *sorted.last()?,
        })
    }

    /// The distance of the quartiles as a part of the median; `None` when that is 0.
    pub fn spread(&self) -> Option<f64> {
        (self.median != 0.0).then(|| (self.high - self.low) / self.median.abs())
    }
}

/// The value below which this part (0 to 1) of sorted samples lies, between two samples in
/// proportion; `None` when there are none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the number of samples is small, and the position is between 0 and it"
)]
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = part.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    let rest = position - position.floor();
    Some(sorted[below] + rest * (sorted[above] - sorted[below]))
}

/// Measures every condition once in each round, so that whatever the machine does meanwhile falls on
/// all of them. Each round begins with another one. Answers the samples of each condition, by round.
pub fn interleaved<C, T, E>(
    rounds: usize,
    conditions: &mut [C],
    mut measure: impl FnMut(&mut C, usize) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let count = conditions.len();
    let mut samples: Vec<Vec<T>> = (0..count).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..count {
            let which = (round + turn) % count;
            samples[which].push(measure(&mut conditions[which], round)?);
        }
    }
    Ok(samples)
}

/// Each sample divided by the baseline's of the same round.
pub fn ratios(samples: &[f64], baseline: &[f64]) -> Vec<f64> {
    samples.iter().zip(baseline).map(|(a, b)| a / b).collect()
}

/// Each sample less the baseline's of the same round.
pub fn above(samples: &[f64], baseline: &[f64]) -> Vec<f64> {
    samples.iter().zip(baseline).map(|(a, b)| a - b).collect()
}

/// The exponent `e` of `y = c·x^e` that fits best (least squares of the logarithms): 1 is linear, 2
/// quadratic. `None` for fewer than two different positive points.
pub fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(x, y)| *x > 0.0 && *y > 0.0)
        .map(|(x, y)| (x.ln(), y.ln()))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "few points")]
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let together: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (variance > 0.0).then(|| together / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_has_median_and_quartiles_whatever_the_order() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        let expected = Summary {
            samples: 5,
            least: 1.0,
            low: 2.0,
            median: 3.0,
            high: 4.0,
            most: 5.0,
        };
        assert_eq!(summary, Some(expected));
        assert_eq!(expected.spread(), Some(2.0 / 3.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 10.0]);
        assert_eq!(summary.map(|summary| summary.median), Some(2.5));
    }

    #[test]
    fn nothing_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn every_round_measures_every_condition_and_begins_with_another() {
        let mut order = Vec::new();
        let samples = interleaved(3, &mut ['a', 'b', 'c'], |condition, round| {
            order.push(*condition);
            Ok::<_, ()>(
                f64::from(u32::from(*condition)) + f64::from(u8::try_from(round).unwrap_or(0)),
            )
        });
        assert_eq!(order.iter().collect::<String>(), "abcbcacab");
        assert_eq!(
            samples,
            Ok(vec![
                vec![97.0, 98.0, 99.0],
                vec![98.0, 99.0, 100.0],
                vec![99.0, 100.0, 101.0]
            ])
        );
    }

    #[test]
    fn a_condition_that_fails_ends_the_measurement() {
        let failed = interleaved(2, &mut [1, 2], |condition, _| {
            if *condition == 2 { Err("two") } else { Ok(1.0) }
        });
        assert_eq!(failed, Err("two"));
    }

    #[test]
    fn samples_are_compared_within_their_round() {
        assert_eq!(ratios(&[2.0, 9.0], &[1.0, 3.0]), [2.0, 3.0]);
        assert_eq!(above(&[2.0, 9.0], &[1.0, 3.0]), [1.0, 6.0]);
    }

    #[test]
    fn the_exponent_of_a_square_is_two() {
        let squares: Vec<(f64, f64)> = [1.0, 10.0, 100.0].map(|x| (x, 3.0 * x * x)).to_vec();
        let found = exponent(&squares).unwrap_or(0.0);
        assert!((found - 2.0).abs() < 1e-9, "{found}");
        assert_eq!(exponent(&squares[..1]), None);
    }
}
