//! Long runs: for as long as `SOAK_SECONDS` says, everything that can go wrong goes
//! wrong at random, and what must hold is looked at all the while.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../native/mod.rs"]
mod native;
#[path = "../second/mod.rs"]
mod second;

mod cast;
mod faults;
mod host_use;
mod misbehaviour;

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Mutex;

/// Long enough to meet most faults, and short enough for every run of the tests.
const DEFAULT_SECONDS: u64 = 20;

/// One run after the other: each needs the machine for itself.
static TURN: Mutex<()> = Mutex::const_new(());

fn time() -> Result<Duration> {
    Ok(Duration::from_secs(variable("SOAK_SECONDS")?.unwrap_or(DEFAULT_SECONDS)))
}

/// What repeats the faults of an earlier run.
fn seed() -> Result<u64> {
    Ok(variable("SOAK_SEED")?.unwrap_or_else(|| fastrand::u64(..)))
}

fn variable(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else { return Ok(None) };
    text.parse().map(Some).with_context(|| format!("{name}={text} is no number"))
}
