//! Attackers that trap, wherever they can, and that end the program.

use anyhow::Result;
use test_support::LogLine;

use crate::arena::{Attack, told};
use crate::program::assert_has;

#[tokio::test]
async fn trap_in_start_is_its_own_failure() -> Result<()> {
    let arena = Attack::by("trap-in-start")?.begin().await?;
    assert_has(&arena.refusal().await?, &["trap in start", "unreachable"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn trap_at_a_message_costs_that_message() -> Result<()> {
    let arena = Attack::by("trap-in-message")?.lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    let before = arena.attacker_cid().await?;
    for _ in 0..3 {
        assert_has(&arena.error("trap").await?, &["trap in on-message", "unreachable"]);
        arena.provoke("").await?;
        told(&mut told_by).await?;
    }
    assert_eq!(arena.attacker_cid().await?, before);
    arena.stood().await?;
    Ok(())
}

/// Lets an attacker trap at what follows a message.
async fn is_told(name: &str, during: &str) -> Result<()> {
    let arena = Attack::by(name)?.begin().await?;
    arena.attacker_cid().await?;
    arena.provoke("").await?;
    assert_has(&arena.failure().await?, &[during, "unreachable"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn trap_at_a_reply_ends_the_instance() -> Result<()> {
    is_told("trap-in-reply", "trap in on-reply").await
}

#[tokio::test]
async fn trap_at_a_timer_ends_the_instance() -> Result<()> {
    is_told("trap-in-timer", "trap in on-timer").await
}

#[tokio::test]
async fn trap_at_every_event_ends_in_giving_up() -> Result<()> {
    let arena = Attack::by("trap-in-event")?.begin().await?;
    assert_has(&arena.failure().await?, &["trap in on-event", "unreachable"]);
    arena.quarantine().await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn names_in_a_backtrace_do_not_steer_a_terminal() -> Result<()> {
    let arena = Attack::by("trap-with-a-name")?.lie_in_wait().await?;
    arena.provoke("").await?;
    let reason = arena.failure().await?;
    assert_has(&reason, &["wasm backtrace", "forged"]);
    assert!(!reason.contains(|c: char| c.is_control() && c != '\n'), "{reason:?}");
    assert!(!reason.contains("\nerror: forged"), "{reason}");
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn trap_in_stop_does_not_keep_the_host_from_ending() -> Result<()> {
    let finished = Attack::by("trap-in-stop")?.lie_in_wait().await?.stood().await?;
    let failed = |line: &LogLine| line.text.contains("trap in stop");
    assert!(finished.log.iter().any(failed), "{:#?}", finished.log);
    assert!(finished.status.success(), "{}", finished.status);
    Ok(())
}

#[tokio::test]
async fn exit_ends_the_instance_and_not_the_host() -> Result<()> {
    let arena = Attack::by("exit")?.lie_in_wait().await?;
    assert_has(&arena.error("").await?, &["exit"]);
    assert_has(&arena.error("").await?, &["exit"]);
    arena.stood().await?;
    Ok(())
}
