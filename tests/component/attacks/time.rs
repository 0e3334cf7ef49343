//! Attackers that take the processor, or never come back.

use anyhow::Result;
use test_support::LogLine;

use crate::arena::{Arena, Attack, told};
use crate::program::assert_has;

/// Lets an attacker run until an instance of it is ended for spinning.
async fn is_cut(name: &str, provoke: impl AsyncFnOnce(&Arena) -> Result<()>) -> Result<()> {
    let arena = Attack::by(name)?.begin().await?;
    arena.attacker_cid().await?;
    provoke(&arena).await?;
    is_over(&arena.failure().await?);
    arena.stood().await?;
    Ok(())
}

/// Asserts that this reason is one of having run for too long. On a busy machine,
/// the time is over before all of the processor time was to be had.
#[track_caller]
pub(crate) fn is_over(reason: &str) {
    let is_over = ["processor time", "took longer than"].iter().any(|over| reason.contains(over));
    assert!(is_over, "{reason}");
}

/// Lets an attacker spin before it serves.
async fn does_not_start(name: &str) -> Result<()> {
    let arena = Attack::by(name)?.begin().await?;
    is_over(&arena.refusal().await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn endless_start_is_cut() -> Result<()> {
    does_not_start("spin-in-start").await
}

#[tokio::test]
async fn endless_instantiation_is_cut() -> Result<()> {
    does_not_start("spin-at-instantiation").await
}

#[tokio::test]
async fn endless_event_is_cut() -> Result<()> {
    is_cut("spin-in-event", async |_| Ok(())).await
}

#[tokio::test]
async fn endless_reply_is_cut() -> Result<()> {
    is_cut("spin-in-reply", async |_| Ok(())).await
}

#[tokio::test]
async fn endless_timer_is_cut() -> Result<()> {
    is_cut("spin-in-timer", async |_| Ok(())).await
}

#[tokio::test]
async fn endless_allocation_is_cut() -> Result<()> {
    is_cut("spin-in-allocator", async |_| Ok(())).await
}

#[tokio::test]
async fn endless_clean_up_after_a_callback_is_cut() -> Result<()> {
    is_cut("spin-in-post-return", async |arena| arena.provoke("").await).await
}

#[tokio::test]
async fn endless_callback_is_cut_and_its_requester_told() -> Result<()> {
    let arena = Attack::by("spin-in-message")?.lie_in_wait().await?;
    is_over(&arena.error("").await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn counting_to_and_fro_does_not_begin_the_time_anew() -> Result<()> {
    let arena = Attack::by("count-to-and-fro")?.lie_in_wait().await?;
    // For the first it is called, the second it takes.
    arena.provoke("").await?;
    is_over(&arena.error("").await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn polling_busily_counts_as_running() -> Result<()> {
    let arena = Attack::by("poll-busily")?.lie_in_wait().await?;
    is_over(&arena.error("").await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn endless_stop_is_cut() -> Result<()> {
    let arena = Attack::by("spin-in-stop")?.lie_in_wait().await?;
    let finished = arena.stood().await?;
    let failed = |line: &LogLine| line.message() == Some("stop failed");
    assert!(finished.log.iter().any(failed), "{:#?}", finished.log);
    assert!(finished.status.success(), "{}", finished.status);
    Ok(())
}

#[tokio::test]
async fn endless_recursion_is_a_trap() -> Result<()> {
    let arena = Attack::by("recursion")?.lie_in_wait().await?;
    assert_has(&arena.error("").await?, &["call stack exhausted"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn who_waits_for_itself_gets_its_time_out() -> Result<()> {
    let arena = Attack::by("wait-for-itself")?.lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("go").await?;
    assert_eq!(told(&mut told_by).await?.error, Some("timeout"));
    arena.stood().await?;
    Ok(())
}

/// Lets an attacker wait until an instance of it is ended for it.
async fn may_not_wait(name: &str) -> Result<()> {
    let arena = Attack::by(name)?.may_wait("500ms").lie_in_wait().await?;
    assert_has(&arena.error("go").await?, &["took longer than"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn endless_request_ends_with_the_callback() -> Result<()> {
    may_not_wait("wait-for-ever").await
}

#[tokio::test]
async fn endless_wait_for_deliveries_ends_with_the_callback() -> Result<()> {
    // What is in hand counts as handled when the next is asked for, so nobody is
    // told.
    let arena = Attack::by("wait-in-inbox")?.may_wait("500ms").lie_in_wait().await?;
    arena.provoke("").await?;
    assert_has(&arena.failure().await?, &["on-message took longer than"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn endless_sleep_ends_with_the_callback() -> Result<()> {
    may_not_wait("sleep").await
}

#[tokio::test]
async fn endless_poll_ends_with_the_callback() -> Result<()> {
    may_not_wait("sleep-in-poll").await
}

#[tokio::test]
async fn endless_start_with_messages_waiting_ends() -> Result<()> {
    let arena = Attack::by("wait-in-start")?.begin().await?;
    for _ in 0..10_000 {
        arena.provoke("queued").await?;
    }
    assert_has(&arena.refusal().await?, &["start took longer than"]);
    arena.stood().await?;
    Ok(())
}
