//! Label selectors as `kubectl --selector` takes them.

use std::fmt;
use std::str::FromStr;

use enforcer_policy::api::{is_label_key, is_label_value};
use enforcer_policy::intern::Name;
use enforcer_policy::selector::{LabelSelector, Labels, Requirement, Test};

use super::SelectorError;

/// Requirements that must all be met: `app=db,tier!=a,env in (x,y),zone notin (z),owner,!old`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(LabelSelector);

impl Selector {
    /// Whether labels meet all requirements.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.matches(labels)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let requirements = parts(text).map(requirement);
        let requirements = requirements.collect::<Result<_, _>>()?;
        Ok(Self(LabelSelector { requirements }))
    }
}

/// What is between the commas that are in no list.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut listing = false;
    text.split(move |one: char| {
        listing = one == '(' || listing && one != ')';
        one == ',' && !listing
    })
    .map(str::trim)
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    if text.contains(['<', '>']) {
        return Err(SelectorError::Order);
    }
    if let Some(missing) = text.strip_prefix('!') {
        let key = key(missing.trim())?;
        let test = Test::DoesNotExist;
        return Ok(Requirement { key, test });
    }
    let end = text.find(|one: char| one.is_whitespace() || "=!(".contains(one));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let (key, rest) = (key(name)?, rest.trim());
    let test = if rest.is_empty() {
        Test::Exists
    } else if let Some(one) = rest.strip_prefix("!=") {
        Test::NotIn([value(one)?].into())
    } else if let Some(one) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        Test::In([value(one)?].into())
    } else if let Some(behind) = word(rest, "in") {
        Test::In(list(behind)?)
    } else if let Some(behind) = word(rest, "notin") {
        Test::NotIn(list(behind)?)
    } else {
        return Err(SelectorError::Operator(rest.to_owned()));
    };
    Ok(Requirement { key, test })
}

/// What follows a word, if it is one.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    let ends = rest.is_empty() || rest.starts_with(|one: char| one.is_whitespace() || one == '(');
    ends.then_some(rest)
}

fn list<T: FromIterator<Name>>(text: &str) -> Result<T, SelectorError> {
    let text = text.trim().strip_prefix('(');
    let inner = text.and_then(|text| text.strip_suffix(')'));
    inner
        .ok_or(SelectorError::List)?
        .split(',')
        .map(value)
        .collect()
}

fn key(text: &str) -> Result<Name, SelectorError> {
    match text {
        "" => Err(SelectorError::Missing),
        text if is_label_key(text) => Ok(text.into()),
        text => Err(SelectorError::Key(text.to_owned())),
    }
}

fn value(text: &str) -> Result<Name, SelectorError> {
    let text = text.trim();
    if is_label_value(text) {
        Ok(text.into())
    } else {
        Err(SelectorError::LabelValue(text.to_owned()))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, test }) in self.0.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match test {
                Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0])?,
                Test::In(values) => write!(f, "{key} in ({})", joined(values))?,
                Test::NotIn(values) => write!(f, "{key} notin ({})", joined(values))?,
                Test::Exists => write!(f, "{key}")?,
                Test::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

fn joined(values: &[Name]) -> String {
    let values: Vec<&str> = values.iter().map(Name::as_str).collect();
    values.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector: Selector = selector.parse().unwrap();
        selector.matches(&labels.iter().copied().collect())
    }

    #[test]
    fn every_operator_of_kubectl_is_read() {
        let labels = [("app", "db"), ("tier", "a"), ("example.com/x", "")];
        for holds in [
            "app",
            "app=db",
            "app==db",
            "app = db",
            "app!=web",
            "none!=x",
            "app in (web, db)",
            "app in(db)",
            "app notin (web,x)",
            "none notin (x)",
            "!none",
            "! none",
            "example.com/x=",
            "example.com/x in (,y)",
            " app=db , tier in (a,b), !none ",
        ] {
            assert!(matches(holds, &labels), "{holds}");
        }
        for fails in [
            "none",
            "app=web",
            "app!=db",
            "app in (web)",
            "app notin (db)",
            "none in (,x)",
            "!app",
            "app=db,tier=b",
        ] {
            assert!(!matches(fails, &labels), "{fails}");
        }
    }

    #[test]
    fn a_key_may_be_called_as_an_operator() {
        assert!(matches(
            "in in (in),notin=x",
            &[("in", "in"), ("notin", "x")]
        ));
    }

    #[test]
    fn mistakes_are_told_apart() {
        use SelectorError::{Key, LabelValue, List, Missing, Operator, Order};
        for (text, error) in [
            ("", Missing),
            ("app=db,", Missing),
            ("=db", Missing),
            ("!", Missing),
            ("-app", Key("-app".to_owned())),
            ("a/b/c=d", Key("a/b/c".to_owned())),
            ("app=a b", LabelValue("a b".to_owned())),
            ("app=a=b", LabelValue("a=b".to_owned())),
            ("app in (a b)", LabelValue("a b".to_owned())),
            ("app is db", Operator("is db".to_owned())),
            ("app!db", Operator("!db".to_owned())),
            ("app inside (a)", Operator("inside (a)".to_owned())),
            ("app in", List),
            ("app in a", List),
            ("app in (a", List),
            ("app > 1", Order),
        ] {
            assert_eq!(text.parse::<Selector>(), Err(error), "{text}");
        }
    }
}
