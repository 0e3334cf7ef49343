//! Attackers that break the rules by which components and hosts call each other.

use anyhow::Result;

use crate::arena::{Attack, Told, told};
use crate::harness::next_text;
use crate::program::assert_has;
use crate::second::listen;

/// Provokes an attacker, which is ended with this reason.
async fn ends(name: &str, reason: &[&str]) -> Result<()> {
    let arena = Attack::by(name)?.lie_in_wait().await?;
    assert_has(&arena.error("").await?, reason);
    // A fresh instance is there, and ends alike.
    assert_has(&arena.error("").await?, reason);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn subject_that_is_not_utf8_is_a_trap() -> Result<()> {
    ends("utf8-in-subject", &["utf-8"]).await
}

#[tokio::test]
async fn error_text_that_is_not_utf8_is_a_trap() -> Result<()> {
    ends("utf8-in-error", &["utf-8"]).await
}

#[tokio::test]
async fn result_that_is_neither_ok_nor_an_error_is_a_trap() -> Result<()> {
    ends("discriminant-of-result", &["discriminant"]).await
}

#[tokio::test]
async fn option_that_is_neither_none_nor_some_is_a_trap() -> Result<()> {
    ends("discriminant-of-argument", &["discriminant"]).await
}

#[tokio::test]
async fn result_outside_memory_is_a_trap() -> Result<()> {
    ends("result-out-of-bounds", &["out of bounds"]).await
}

#[tokio::test]
async fn result_at_an_odd_address_is_a_trap() -> Result<()> {
    ends("result-misaligned", &["align"]).await
}

#[tokio::test]
async fn payload_outside_memory_is_a_trap() -> Result<()> {
    ends("payload-out-of-bounds", &["out of bounds"]).await
}

#[tokio::test]
async fn outcome_outside_memory_is_a_trap() -> Result<()> {
    ends("return-area-out-of-bounds", &["out of bounds"]).await
}

#[tokio::test]
async fn headers_outside_memory_are_a_trap() -> Result<()> {
    ends("headers-beyond-memory", &["out of bounds"]).await
}

/// Lets an attacker's allocator do harm, until the plugin is given up.
async fn is_given_up(name: &str, reason: &[&str]) -> Result<()> {
    let arena = Attack::by(name)?.begin().await?;
    assert_has(&arena.failure().await?, reason);
    arena.quarantine().await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn allocator_that_gives_what_is_not_there_is_given_up() -> Result<()> {
    is_given_up("allocator-out-of-bounds", &["realloc"]).await
}

#[tokio::test]
async fn allocator_that_traps_is_given_up() -> Result<()> {
    is_given_up("allocator-traps", &["unreachable"]).await
}

#[tokio::test]
async fn allocator_that_calls_the_host_is_given_up() -> Result<()> {
    is_given_up("allocator-calls-back", &["leave"]).await
}

#[tokio::test]
async fn allocator_that_gives_odd_addresses_harms_only_itself() -> Result<()> {
    let arena = Attack::by("allocator-misaligned")?.lie_in_wait().await?;
    arena.provoke("odd").await?;
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn allocator_that_gives_one_place_to_all_harms_only_itself() -> Result<()> {
    let arena = Attack::by("allocator-overlaps")?.lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("odd").await?;
    assert_eq!(told(&mut told_by).await?, Told { number: 7, error: None });
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn million_headers_are_refused() -> Result<()> {
    let arena = Attack::by("headers-million")?.lie_in_wait().await?;
    for how in ["publish", ""] {
        assert_has(&arena.error(how).await?, &["too much data"]);
    }
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn outbox_that_has_more_than_its_room_is_a_trap() -> Result<()> {
    ends("outbox-position", &["65 bytes", "64 there"]).await
}

#[tokio::test]
async fn outbox_with_half_a_message_is_a_trap() -> Result<()> {
    ends("outbox-cut", &["cut short"]).await
}

#[tokio::test]
async fn outbox_of_all_memory_is_a_trap() -> Result<()> {
    ends("outbox-huge", &["131072 bytes"]).await
}

#[tokio::test]
async fn outbox_reaches_no_further_than_a_publish() -> Result<()> {
    let permissions = "subscribe = [\"attack.in\"], publish = [\"attack.out\"]";
    let arena = Attack::by("outbox-reach")?.permitted(permissions).lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    let mut forbidden = listen(&arena.client, "admin.>").await?;
    for _ in 0..2 {
        arena.provoke("").await?;
        assert_eq!(told(&mut told_by).await?, Told { number: 5, error: None });
    }
    // What goes there now comes first, so nothing went there before.
    arena.client.publish("admin.stop", "own".into()).await?;
    assert_eq!(next_text(&mut forbidden).await?, "own");
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn reason_not_to_start_that_is_not_utf8_is_a_trap() -> Result<()> {
    let arena = Attack::by("utf8-in-start")?.begin().await?;
    assert_has(&arena.refusal().await?, &["utf-8"]);
    arena.stood().await?;
    Ok(())
}
