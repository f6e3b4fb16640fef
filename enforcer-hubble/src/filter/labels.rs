//! Label selectors with sources: `k8s:app=web`, `reserved:host`, `!reserved:world`, `app in (a,b)`.

use enforcer_flows::Party;
use enforcer_policy::api::{is_label_key, is_label_value};

use crate::convert::endpoint::{Reserved, label};
use crate::node::Node;

/// What is wrong with a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A requirement without a key.
    #[error("a label is missing; write KEY, KEY=VALUE or SOURCE:KEY=VALUE")]
    Missing,
    /// No label has this key.
    #[error("{0:?} is no key of a label")]
    Key(String),
    /// No label has this value.
    #[error("{0:?} is no value of a label")]
    Value(String),
    /// An operator that there is not.
    #[error("{0:?} is no operator; there are =, ==, !=, in and notin")]
    Operator(String),
    /// `in` without a list.
    #[error("a list such as (a,b) is missing behind in or notin")]
    List,
}

/// Requirements that must all be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    source: Source,
    key: String,
    test: Test,
}

/// Who gave a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Any,
    Kubernetes,
    Reserved,
    /// Nobody whom there is here.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    pub(super) fn parse(text: &str) -> Result<Self, SelectorError> {
        parts(text)
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn matches(&self, party: &Party, reserved: Option<Reserved>, node: &Node) -> bool {
        self.0.iter().all(|one| one.is_met(party, reserved, node))
    }
}

impl Requirement {
    fn is_met(&self, party: &Party, reserved: Option<Reserved>, node: &Node) -> bool {
        let is = reserved.is_some_and(|one| one.name() == self.key);
        let reserved = is.then_some("");
        let own = label(party, node, &self.key);
        let value = match self.source {
            Source::Any => own.as_deref().or(reserved),
            Source::Kubernetes => own.as_deref(),
            Source::Reserved => reserved,
            Source::Other => None,
        };
        let is_among =
            |all: &[String]| value.is_some_and(|value| all.iter().any(|one| one == value));
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(all) => is_among(all),
            Test::NotIn(all) => !is_among(all),
        }
    }
}

/// What is between the commas that are in no list.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut listing = false;
    let split = text.split(move |one: char| {
        listing = one == '(' || listing && one != ')';
        one == ',' && !listing
    });
    split.map(str::trim)
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let (negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let end = text.find(|one: char| one.is_whitespace() || "=!(<>".contains(one));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let (source, key) = key(name)?;
    let test = if negated {
        rest.trim().is_empty().then_some(Test::Missing)
    } else {
        test(rest.trim())?
    };
    let test = test.ok_or_else(|| SelectorError::Operator(rest.trim().to_owned()))?;
    Ok(Requirement { source, key, test })
}

fn key(text: &str) -> Result<(Source, String), SelectorError> {
    let (source, key) = match text.split_once(':') {
        None | Some(("any", _)) => (Source::Any, text.strip_prefix("any:").unwrap_or(text)),
        Some(("k8s", key)) => (Source::Kubernetes, key),
        Some(("reserved", key)) => (Source::Reserved, key),
        Some((_, key)) => (Source::Other, key),
    };
    match key {
        "" => Err(SelectorError::Missing),
        key if is_label_key(key) => Ok((source, key.to_owned())),
        key => Err(SelectorError::Key(key.to_owned())),
    }
}

/// `None` for an operator that there is not.
fn test(text: &str) -> Result<Option<Test>, SelectorError> {
    Ok(Some(if text.is_empty() {
        Test::Exists
    } else if let Some(one) = text.strip_prefix("!=") {
        Test::NotIn(vec![value(one)?])
    } else if let Some(one) = text.strip_prefix("==").or_else(|| text.strip_prefix('=')) {
        Test::In(vec![value(one)?])
    } else if let Some(behind) = word(text, "in") {
        Test::In(list(behind)?)
    } else if let Some(behind) = word(text, "notin") {
        Test::NotIn(list(behind)?)
    } else {
        return Ok(None);
    }))
}

/// What follows a word, if it is one.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    let ends = rest.is_empty() || rest.starts_with(|one: char| one.is_whitespace() || one == '(');
    ends.then_some(rest)
}

fn list(text: &str) -> Result<Vec<String>, SelectorError> {
    let inner = text.trim().strip_prefix('(');
    let inner = inner.and_then(|text| text.strip_suffix(')'));
    inner
        .ok_or(SelectorError::List)?
        .split(',')
        .map(value)
        .collect()
}

fn value(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    if is_label_value(text) {
        Ok(text.to_owned())
    } else {
        Err(SelectorError::Value(text.to_owned()))
    }
}
