//! Attackers that use what is not theirs, or no longer.

use anyhow::Result;

use crate::arena::{Attack, Told, told};

#[tokio::test]
async fn numbers_of_others_are_unknown() -> Result<()> {
    let arena = Attack::by("handles")?.may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    let before = arena.attacker_cid().await?;
    arena.provoke("go").await?;
    for _kind in ["connections", "subscriptions"] {
        assert_eq!(told(&mut told_by).await?, Told { number: 0, error: None });
    }
    assert_eq!(arena.attacker_cid().await?, before);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn closed_connection_takes_nothing() -> Result<()> {
    let arena = Attack::by("after-close")?.may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    for call in ["publish", "subscribe", "request-and-wait", "flush"] {
        assert_eq!(told(&mut told_by).await?.error, Some("unknown-client"), "{call}");
    }
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn connections_opened_and_closed_leave_nothing_behind() -> Result<()> {
    let arena = Attack::by("connect-and-close")?.may_take("20s").lie_in_wait().await?;
    let mut told_by = arena.listen().await?;
    arena.provoke("").await?;
    let told = told(&mut told_by).await?;
    assert!(matches!(told.error, None | Some("quota-exceeded" | "closed")), "{told:?}");
    arena.stood().await?;
    Ok(())
}
