//! A direction by its name.

use enforcer_common::abi::Direction;
use enforcer_flows::record::direction_name;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out a reference to the field"
)]
pub(super) fn serialize<S: Serializer>(
    direction: &Option<Direction>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    direction.map(direction_name).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Direction>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    let named = name.map(|name| {
        let mut all = Direction::ALL.into_iter();
        let found = all.find(|one| direction_name(*one) == name);
        found.ok_or_else(|| D::Error::custom(format!("there is no direction {name}")))
    });
    named.transpose()
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        for direction in [None, Some(Direction::Ingress), Some(Direction::Egress)] {
            let options = Options {
                filter: ["pod=shop/web-*".parse().unwrap()].into_iter().collect(),
                direction,
                include_denied: true,
                ..Options::default()
            };
            let text = serde_json::to_string(&options).unwrap();
            assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
        }
        assert!(serde_json::from_str::<Options>(r#"{"direction": "up"}"#).is_err());
    }
}
