//! Which policies spoke.

use std::fmt;

use crate::record::{Context, Nearest, RuleName};

/// More policies than this are only counted: a pod may have thousands.
const NAMED: usize = 3;

/// `by RULE`, or who isolates the pod and what would have let the packet pass.
pub(super) struct Spoke<'a>(pub(super) &'a Context);

impl fmt::Display for Spoke<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(context) = self;
        if let Some(RuleName { policy, rule }) = &context.allowed_by {
            return write!(f, ", by {policy} {rule}");
        }
        let policies = &context.policies;
        for (index, policy) in policies.iter().take(NAMED).enumerate() {
            let before = if index == 0 { ", isolated by " } else { ", " };
            write!(f, "{before}{policy}")?;
        }
        if policies.len() > NAMED {
            write!(f, " and {} more", policies.len() - NAMED)?;
        }
        Ok(())
    }
}

/// `nearest rule RULE: LACKS`.
pub(super) struct Near<'a>(pub(super) &'a Nearest);

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Nearest { rule, lacks } = self.0;
        write!(f, "nearest rule {} {}: ", rule.policy, rule.rule)?;
        f.write_str(&lacks.join("; "))
    }
}
