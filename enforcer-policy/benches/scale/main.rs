//! What a big cluster costs the compiler: bytes by kind of object, and the time of a cold start.
//!
//! `cargo bench -p enforcer-policy --bench scale`

#![expect(clippy::print_stdout, reason = "the result is a table on stdout")]
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark whose own objects are wrong has no result"
)]

mod cold_start;
mod memory;
mod objects;

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() {
    memory::report();
    cold_start::report();
}
