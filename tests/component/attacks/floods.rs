//! Attackers that do what they may, far too often.

use anyhow::Result;
use test_support::NatsServer;

use crate::arena::{Attack, Told, told};
use crate::time::is_over;

/// Provokes an attacker, and waits for what it tells.
async fn gets(name: &str, number: i64, error: Option<&'static str>) -> Result<()> {
    let arena = Attack::by(name)?.may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("go").await?;
    assert_eq!(told(&mut told_by).await?, Told { number, error });
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn flood_of_subscriptions_ends_at_the_limit() -> Result<()> {
    // It has one already.
    gets("subscribe-flood", 9_999, Some("quota-exceeded")).await
}

#[tokio::test]
async fn subscriptions_that_come_and_go_leave_nothing_behind() -> Result<()> {
    gets("subscribe-churn", 20_000, None).await
}

#[tokio::test]
async fn million_timers_end_at_the_limit() -> Result<()> {
    gets("timer-flood", 10_000, Some("quota-exceeded")).await
}

#[tokio::test]
async fn flood_of_requests_ends_at_the_limit() -> Result<()> {
    gets("request-flood", 65_536, Some("quota-exceeded")).await
}

#[tokio::test]
async fn connecting_again_10_000_times_is_one_connection() -> Result<()> {
    gets("connect-again", 0, None).await
}

#[tokio::test]
async fn connections_under_1000_names_end_at_the_limit() -> Result<()> {
    gets("connect-names", 15, Some("quota-exceeded")).await
}

#[tokio::test]
async fn flood_of_messages_does_not_harm_who_shares_the_server() -> Result<()> {
    let arena = Attack::by("publish-flood")?.lie_in_wait().await?;
    // It runs, or waits for room, until it has done so for too long.
    is_over(&arena.error("").await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn messages_that_breed_are_dropped_in_the_end() -> Result<()> {
    let arena = Attack::by("breed")?.lie_in_wait().await?;
    arena.provoke("").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn timers_without_a_delay_harm_only_their_plugin() -> Result<()> {
    let arena = Attack::by("timers-of-zero")?.lie_in_wait().await?;
    arena.stood().await?;
    Ok(())
}

/// A server that permits everything but publishing to `denied`.
async fn denying() -> Result<NatsServer> {
    let config = r#"authorization {
        users = [{ user: a, password: a, permissions: { publish: { deny: "denied" } } }]
    }
    no_auth_user: a"#;
    NatsServer::builder().config(config).start().await
}

#[tokio::test]
async fn events_that_cause_events_harm_only_their_plugin() -> Result<()> {
    let arena =
        Attack::by("event-loop")?.on(denying().await?).may_take("20s").lie_in_wait().await?;
    arena.provoke("").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn refusals_do_not_pile_up_and_do_not_flood_the_log() -> Result<()> {
    let arena =
        Attack::by("refused-flood")?.on(denying().await?).may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    told(&mut told_by).await?;
    let finished = arena.stood().await?;
    let lines = finished.log.iter().filter(|line| line.text.contains("denied")).count();
    assert!((1..1000).contains(&lines), "{lines} lines");
    Ok(())
}
