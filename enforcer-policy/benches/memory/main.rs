//! What a big cluster costs the compiler: bytes by kind of object. (Times: `cargo xtask bench scale`.)
//!
//! `cargo bench -p enforcer-policy --bench memory`

#![expect(clippy::print_stdout, reason = "the result is a table on stdout")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark whose own objects are wrong has no result"
)]

mod kinds;
mod objects;

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() {
    kinds::report();
}
