//! Reloads without number, at bad moments, and of components that are broken.

use anyhow::{Result, ensure};
use fastrand::Rng;
use futures_util::future::try_join_all;
use serde_json::json;

use crate::arena::{Arena, Attack};
use crate::harness::Admin;
use crate::program::assert_has;

/// A plugin that can be reloaded, beside the neighbour.
async fn quiet() -> Result<(Arena, Admin)> {
    let bytes = std::fs::read(test_support::guest("trap-in-message")?)?;
    let arena = Attack::of("reloaded", bytes).lie_in_wait().await?;
    let admin = Admin::of(&arena.host).await?;
    Ok((arena, admin))
}

#[tokio::test]
async fn storm_of_reloads_loses_no_message() -> Result<()> {
    const RELOADS: usize = 20;
    let (arena, admin) = quiet().await?;
    let reload = async |_| {
        let answer = admin.post("/plugins/a-neighbour/reload").await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    };
    try_join_all((0..RELOADS).map(reload)).await?;
    assert_eq!(admin.plugin("a-neighbour").await?["counts"]["reloads"], RELOADS);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn orders_that_contradict_each_other_leave_a_plugin_that_can_be_restarted() -> Result<()> {
    let (arena, admin) = quiet().await?;
    let orders = ["reload", "restart", "drain", "restart", "reload"].into_iter().cycle().take(30);
    let give = async |order| {
        let answer = admin.post(&format!("/plugins/reloaded/{order}")).await?;
        // What is stopped by then can't be reloaded, say.
        ensure!([200, 422, 504].contains(&answer.status), "{order}: {answer:?}");
        Ok(())
    };
    try_join_all(orders.map(give)).await?;
    let answer = admin.post("/plugins/reloaded/restart").await?;
    ensure!(answer.status == 200, "{answer:?}");
    assert_eq!(answer.json()?["status"], json!("serving"));
    assert_has(&arena.error("trap").await?, &["unreachable"]);
    arena.stood().await?;
    Ok(())
}

#[tokio::test]
async fn component_that_is_cut_off_or_changed_at_random_harms_nobody() -> Result<()> {
    const TRIES: usize = 40;
    let (arena, admin) = quiet().await?;
    let good = std::fs::read(&arena.component)?;
    let mut random = Rng::with_seed(48);
    for number in 0..TRIES {
        let mut bytes = good.clone();
        if number % 2 == 0 {
            bytes.truncate(random.usize(..bytes.len()));
        } else {
            for _ in 0..random.usize(1..4) {
                bytes[random.usize(..good.len())] ^= 1 << random.u8(..8);
            }
        }
        std::fs::write(&arena.component, bytes)?;
        let answer = admin.post("/plugins/reloaded/reload").await?;
        ensure!([200, 422].contains(&answer.status), "{number}: {answer:?}");
    }
    std::fs::write(&arena.component, good)?;
    let answer = admin.post("/plugins/reloaded/restart").await?;
    ensure!(answer.status == 200, "{answer:?}");
    assert_has(&arena.error("trap").await?, &["unreachable"]);
    arena.stood().await?;
    Ok(())
}
