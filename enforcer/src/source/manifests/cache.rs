//! What files held when they were read last.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::read::{self, Contents};

/// Parsed files beside their texts: the texts are compared, not their times, which can be the same
/// for two writes in a row.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    files: HashMap<Arc<Path>, Parsed>,
}

#[derive(Debug)]
struct Parsed {
    text: String,
    contents: Arc<Contents>,
}

impl Cache {
    /// Parses `text`, unless `before` has the same for `file`, and remembers it.
    pub(super) fn carry(
        &mut self,
        before: &mut Self,
        file: Arc<Path>,
        text: String,
    ) -> Arc<Contents> {
        let known = before.files.remove(&file);
        let parsed = match known.filter(|known| known.text == text) {
            Some(known) => known,
            None => Parsed {
                contents: Arc::new(read::text(&file, &text).without_text()),
                text,
            },
        };
        let contents = Arc::clone(&parsed.contents);
        self.files.insert(file, parsed);
        contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry(before: &mut Cache, text: &str) -> (Cache, Arc<Contents>) {
        let mut next = Cache::default();
        let contents = next.carry(before, Arc::from(Path::new("a.yaml")), text.to_owned());
        (next, contents)
    }

    #[test]
    fn a_file_is_parsed_anew_only_when_its_text_is_another() {
        let one = "{apiVersion: v1, kind: Pod, metadata: {name: a}}";
        let (mut cache, first) = carry(&mut Cache::default(), one);
        let (mut cache, again) = carry(&mut cache, one);
        assert!(Arc::ptr_eq(&first, &again));
        let (_, other) = carry(&mut cache, &one.replace("name: a", "name: b"));
        assert_ne!(first.documents[0].key, other.documents[0].key);
    }
}
