//! Which flows a request means.

mod compile;
mod error;
mod fields;
mod labels;
mod names;
mod side;
mod test;
#[cfg(test)]
mod tests;

use enforcer_flows::Record;

pub use error::FilterError;
pub use fields::{ANSWERED, REFUSED};
pub use labels::SelectorError;

use crate::node::Node;
use test::Test;

/// The filters of a request: one of the first list must hold, if there is any, and none of the second.
#[derive(Debug, Default)]
pub struct Filters {
    wanted: Vec<Filter>,
    unwanted: Vec<Filter>,
}

/// One filter: all of its tests must hold.
#[derive(Debug)]
struct Filter(Vec<Test>);

impl Filters {
    /// Reads filters, each an encoded `flow.FlowFilter`.
    ///
    /// # Errors
    /// A field that is not answered, or a value that cannot be read.
    pub fn read<B: AsRef<[u8]>>(whitelist: &[B], blacklist: &[B]) -> Result<Self, FilterError> {
        let wanted = whitelist.iter().map(|one| Filter::read(one.as_ref()));
        let mut unwanted = Vec::new();
        for one in blacklist.iter().map(AsRef::as_ref) {
            if !fields::is_own_domain(one)? {
                unwanted.push(Filter::read(one)?);
            }
        }
        Ok(Self {
            wanted: wanted.collect::<Result<_, _>>()?,
            unwanted,
        })
    }

    /// Whether they mean the flow that `node` makes of this record.
    pub fn matches(&self, record: &Record, node: &Node) -> bool {
        let any = |list: &[Filter]| list.iter().any(|filter| filter.matches(record, node));
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.unwanted)
    }
}

impl Filter {
    fn matches(&self, record: &Record, node: &Node) -> bool {
        self.0.iter().all(|test| test.holds(record, node))
    }
}
