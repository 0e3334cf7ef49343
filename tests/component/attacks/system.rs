//! Attackers that ask the system for more than clocks and random numbers, or for
//! far too much of those.

use anyhow::Result;

use crate::arena::Attack;
use crate::program::assert_has;

#[tokio::test]
async fn files_environment_and_network_are_out_of_reach() -> Result<()> {
    let arena = Attack::by("reach")?.may_take("20s").lie_in_wait().await?;
    let server = arena.server.address().to_string();
    let got: Vec<String> = arena.ask(&server).await?;
    assert_eq!(got, Vec::<String>::new());
    arena.stood().await?;
    Ok(())
}

/// Provokes an attacker, which traps.
async fn traps(name: &str, reason: &str) -> Result<()> {
    let arena = Attack::by(name)?.lie_in_wait().await?;
    assert_has(&arena.error("").await?, &[reason]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn random_bytes_without_bound_are_refused() -> Result<()> {
    traps("random-huge", "").await
}

#[tokio::test]
async fn cheap_random_bytes_without_bound_are_refused() -> Result<()> {
    traps("random-endless", "").await
}

#[tokio::test]
async fn pollables_that_are_not_dropped_end_at_the_limit() -> Result<()> {
    traps("pollables", "").await
}

#[tokio::test]
async fn streams_that_are_not_dropped_end_at_the_limit() -> Result<()> {
    traps("streams", "").await
}

#[tokio::test]
async fn endless_zeroes_are_not_printed() -> Result<()> {
    traps("print-zeroes", "").await
}

#[tokio::test]
async fn flood_of_lines_does_not_flood_the_log() -> Result<()> {
    let arena = Attack::by("print-flood")?.lie_in_wait().await?;
    arena.provoke("").await?;
    arena.failure().await?;
    let finished = arena.stood().await?;
    let printed = finished.log.iter().filter(|line| line.text.contains("dull log")).count();
    assert!(printed < 20_000, "{printed} lines");
    Ok(())
}

#[tokio::test]
async fn line_without_an_end_is_cut() -> Result<()> {
    let arena = Attack::by("print-endless-line")?.lie_in_wait().await?;
    arena.provoke("").await?;
    arena.failure().await?;
    let finished = arena.stood().await?;
    let printed: usize = finished.log.iter().map(|line| line.text.len()).sum();
    assert!(printed < 20 << 20, "{printed} bytes");
    Ok(())
}
