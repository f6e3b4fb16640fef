//! Fields that take one of a few words.

use crate::invalid::{Invalid, Problem};

/// What the word at `field` means. Nothing, when there is no word or the API does not know it; then it
/// is told with `names`, which are those of `known`.
pub(super) fn choice<T: Copy>(
    word: Option<&str>,
    known: &[(&str, T)],
    names: &'static [&'static str],
    field: &str,
    invalid: &mut Vec<Invalid>,
) -> Option<T> {
    let word = word.filter(|word| !word.is_empty())?;
    let meant = known.iter().find(|(name, _)| *name == word);
    if meant.is_none() {
        let problem = Problem::NotOneOf {
            found: word.to_owned(),
            known: names,
        };
        invalid.push(Invalid::new(field, problem));
    }
    meant.map(|(_, value)| *value)
}
