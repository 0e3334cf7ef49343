//! Attackers that were written for other hosts, through the interfaces of those.

use anyhow::Result;

use crate::arena::{Arena, Attack};
use crate::program::assert_has;
use crate::time::is_over;

async fn lie_in_wait(name: &str) -> Result<Arena> {
    Attack::by_foreign(name)?.lie_in_wait().await
}

#[tokio::test]
async fn spinning_in_an_asynchronous_handler_is_cut() -> Result<()> {
    let arena = lie_in_wait("wasmcloud-streams").await?;
    is_over(&arena.error("spin").await?);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn torrent_of_messages_is_cut() -> Result<()> {
    for name in ["wasmcloud", "wasmcloud-streams"] {
        let arena = lie_in_wait(name).await?;
        is_over(&arena.error("torrent attack.ou").await?);
        arena.stood().await?;
    }
    Ok(())
}

#[tokio::test]
async fn body_without_an_end_is_refused() -> Result<()> {
    let arena = lie_in_wait("wasmcloud-streams").await?;
    let answer = crate::second::ask(&arena.client, "attack.in", "endless attack.ou").await?;
    assert_has(std::str::from_utf8(&answer.payload)?, &["Error::"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn handlers_that_never_return_end_with_their_instance() -> Result<()> {
    let attack = Attack::by_foreign("wasmcloud-streams")?.may_wait("500ms");
    let arena = attack.lie_in_wait().await?;
    // More than are handled at once.
    for _ in 0..200 {
        arena.provoke("hang").await?;
    }
    assert_has(&arena.error("hang").await?, &["took longer than"]);
    arena.stood().await?;
    Ok(())
}
