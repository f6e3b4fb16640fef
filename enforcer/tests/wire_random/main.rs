//! Random clusters on the wire. Needs root and a built BPF object.
//!
//! A round is made of a seed: a lab with pods, policies, and changes of both. After each change the
//! daemon is waited for, and every pair of pods, node and world is asked by every protocol for
//! several ports. Every answer must be the oracle's.
//!
//! `cargo xtask wire` runs as many rounds as one likes, by these variables: `ENFORCER_WIRE_SEED`,
//! `ENFORCER_WIRE_ROUNDS`, `ENFORCER_WIRE_ROUND` (that one alone). Without them it is a fixed set.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod addresses;
mod ask;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod failure;
mod lasting;
mod manifests;
mod packet;
mod probe;
#[path = "../common/proxied.rs"]
mod proxied;
mod questions;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "each test file uses some of it")]
mod random;
mod reports;
mod round;
mod serve;
mod services;
mod stage;
mod tally;
mod world;

use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use round::Round;
use tally::Tally;

/// Rounds at a time.
const PLAYERS: usize = 2;
/// The rounds that everybody runs: seed and how many.
const FIXED: (u64, u64) = (1, 10);
/// From so many rounds on, everything must have been met.
const ENOUGH: usize = 10;

#[test]
fn random_clusters_behave_as_the_oracle_says() {
    let seed = number("SEED").unwrap_or(FIXED.0);
    let rounds = match (number("ROUND"), number("ROUNDS")) {
        (Some(only), _) => only..only + 1,
        (None, count) => 0..count.unwrap_or(FIXED.1),
    };
    println!(
        "wire: seed {seed}, rounds {} to {}",
        rounds.start,
        rounds.end - 1
    );
    let begin = Instant::now();
    let (next, total) = (AtomicU64::new(rounds.start), Mutex::new(Tally::default()));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while failures.lock().unwrap().is_empty() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= rounds.end {
                        return;
                    }
                    let (tally, failure) = play(Round { seed, number });
                    total.lock().unwrap().add(tally);
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    let (total, failures) = (total.into_inner().unwrap(), failures.into_inner().unwrap());
    println!("wire: met {}", total.met());
    println!(
        "wire: {} rounds, {} probes ({} needed a second try), {} reports lost, {:.0} s",
        total.rounds,
        total.probes,
        total.repeated,
        total.lost,
        begin.elapsed().as_secs_f32()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    let missing = total.missing();
    assert!(
        total.rounds < ENOUGH || missing.is_empty(),
        "never met: {missing:?}"
    );
}

/// One of the variables.
fn number(name: &str) -> Option<u64> {
    let text = env::var(format!("ENFORCER_WIRE_{name}")).ok()?;
    Some(text.parse().unwrap())
}

/// Plays a round; gives what it met and how it failed.
fn play(round: Round) -> (Tally, Option<String>) {
    let begin = Instant::now();
    let mut tally = Tally::default();
    tally.rounds = 1;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    let result = local.block_on(&runtime, round.play(&mut tally));
    let (stage, families) = round.stage();
    println!(
        "wire: round {} {} on {} ({:?}), {} probes, {:.1} s",
        round.number,
        if result.is_ok() { "holds" } else { "FAILS" },
        stage.name,
        families,
        tally.probes,
        begin.elapsed().as_secs_f32()
    );
    (tally, result.err().map(|failure| failure.to_string()))
}
