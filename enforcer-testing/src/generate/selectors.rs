//! Random labels and selectors over the same pools.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

type Pool = &'static [(&'static str, &'static [&'static str])];

/// Labels with keys of the pool.
pub(super) fn labels(pool: Pool) -> impl Strategy<Value = BTreeMap<String, String>> {
    let all: Vec<_> = pool
        .iter()
        .map(|(key, values)| weighted(0.7, label(key, values)))
        .collect();
    all.prop_map(|labels| labels.into_iter().flatten().collect())
}

/// A label with this key.
pub(super) fn label(
    key: &'static str,
    values: &'static [&'static str],
) -> impl Strategy<Value = (String, String)> {
    select(values).prop_map(move |value| (key.to_owned(), value.to_owned()))
}

/// A selector over labels of the pool; often empty or with one requirement, so that it matches.
pub(super) fn selector(pool: Pool) -> impl Strategy<Value = LabelSelector> {
    let one_label = select(pool).prop_flat_map(|(key, values)| label(key, values));
    let wanted = vec(one_label, 1..=1).prop_map(BTreeMap::from_iter);
    prop_oneof![
        2 => Just(LabelSelector::default()),
        3 => wanted.clone().prop_map(|labels| of(Some(labels), None)),
        4 => vec(expression(pool), 1..=2).prop_map(|list| of(None, Some(list))),
        1 => (wanted, vec(expression(pool), 0..=1))
            .prop_map(|(labels, list)| of(Some(labels), Some(list))),
    ]
}

fn of(
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<LabelSelectorRequirement>>,
) -> LabelSelector {
    LabelSelector {
        match_labels,
        match_expressions,
    }
}

fn expression(pool: Pool) -> impl Strategy<Value = LabelSelectorRequirement> {
    select(pool).prop_flat_map(|(key, values)| {
        let some = subsequence(values, 1..=values.len().min(2));
        let listed = (select(&["In", "NotIn"][..]), some.prop_map(Some));
        let bare = (select(&["Exists", "DoesNotExist"][..]), Just(None));
        prop_oneof![listed, bare].prop_map(move |(operator, values)| LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: values.map(|values| values.into_iter().map(str::to_owned).collect()),
        })
    })
}
