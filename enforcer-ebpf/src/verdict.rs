//! From a reason to what tc does.

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC};
use enforcer_common::{Action, Reason};

/// The return value of a program. A packet that passes goes on to the other programs on the hook.
#[inline(always)]
pub(crate) const fn of(reason: Reason) -> i32 {
    match reason.action() {
        Action::Pass => TC_ACT_UNSPEC,
        Action::Drop => TC_ACT_SHOT,
    }
}
