//! "Did you mean …?"

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let scored = known.into_iter().map(|candidate| {
        let distance = distance(&lower, &candidate.to_lowercase());
        (distance, candidate)
    });
    let (best, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    let shorter = word.len().min(candidate.len());
    // One slip in three letters, and not more than three in all.
    (best <= (shorter / 3).clamp(1, 3) && shorter > 1).then_some(candidate)
}

/// How many letters must be put in, left out, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().take(64).collect();
    let right: Vec<char> = right.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut next = vec![i];
        for j in 1..=right.len() {
            let change = row[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = change.min(row[j] + 1).min(next[j - 1] + 1);
            let swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slips_are_understood_and_other_words_are_not() {
        let known = ["metadata", "spec", "kind", "podSelector", "from", "to"];
        for (word, meant) in [
            ("metadat", Some("metadata")),
            ("Spec", Some("spec")),
            ("sepc", Some("spec")),
            ("podselectors", Some("podSelector")),
            ("form", Some("from")),
            ("status", None),
            ("x", None),
        ] {
            assert_eq!(closest(word, known), meant, "{word}");
        }
    }
}
