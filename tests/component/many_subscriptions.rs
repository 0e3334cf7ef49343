//! Very many subscriptions: one more or one less costs the same whatever their number.
//! If it did not, the processor time of one callback would not do by far.

mod harness;
mod second;

use anyhow::{Result, ensure};
use async_nats::Request;
use harness::Scene;
use second::{ask, settle};
use test_support::DEADLINE;

const MANY: usize = 100_000;

/// What the subjects, routes and callbacks of so many may take of the host's memory
/// and the guest's together.
const MAX_BYTES: u64 = 250 << 20;

/// The plugin `many`. On a busy machine it may take its time, as long as it does not
/// use the processor for longer than by default.
async fn many(args: &[&str]) -> Result<Scene> {
    let limits = ["--max-subscriptions", "100010", "--callback-timeout", "5m"];
    Scene::with(&["many"], &[&["-A", "--start-timeout", "5m"], &limits[..], args].concat()).await
}

/// Has the plugin do something to all of them.
async fn obeyed(scene: &Scene, subject: &'static str, text: &str) -> Result<()> {
    let request = Request::new().payload(text.to_owned().into()).timeout(Some(DEADLINE));
    let answer = scene.client.send_request(subject, request).await?;
    ensure!(answer.payload == "done", "{answer:?}");
    Ok(())
}

/// Waits until so many messages have come by the many.
async fn counted(scene: &Scene, messages: u64) -> Result<()> {
    test_support::eventually(&format!("{messages} messages"), async || {
        let count = ask(&scene.client, "many.count", "").await?.payload;
        Ok((count == messages.to_string()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn many_are_made_and_ended_within_the_time_of_a_callback() -> Result<()> {
    let scene = many(&[]).await?;
    let before = scene.host.resident_bytes()?;
    obeyed(&scene, "many.more", &MANY.to_string()).await?;
    let bytes = scene.host.resident_bytes()?.saturating_sub(before);
    println!("{} bytes for each of {MANY} subscriptions", bytes / MANY as u64);
    ensure!(bytes < MAX_BYTES, "{bytes} bytes for {MANY} subscriptions");
    for number in [0, MANY / 2, MANY - 1] {
        scene.client.publish(format!("many.{number}"), "".into()).await?;
    }
    counted(&scene, 3).await?;

    obeyed(&scene, "many.less", "").await?;
    scene.client.publish("many.1", "".into()).await?;
    settle(&scene.client).await?;
    counted(&scene, 3).await?;
    ensure!(scene.host.stop().await?.status.success());
    Ok(())
}

#[tokio::test]
async fn many_are_shared_and_adopted_within_the_time_of_a_start() -> Result<()> {
    let variable = format!("SUBSCRIPTIONS={}", MANY / 4);
    let scene = many(&["--instances", "2", "--env", &variable]).await?;
    scene.client.publish("many.trap", "".into()).await?;
    let again = |line: &test_support::LogLine| line.message() == Some("instance failed");
    let failed = scene.host.wait_for_log("a trap", again).await?;
    ensure!(failed.text.contains("on-deliveries"), "{}", failed.text);
    // Whichever instance is asked, the other one has none that it has not.
    scene.client.publish("many.7", "".into()).await?;
    test_support::eventually("the message", async || {
        let count = ask(&scene.client, "many.count", "").await?.payload;
        Ok((count == "1").then_some(()))
    })
    .await?;
    ensure!(scene.host.stop().await?.status.success());
    Ok(())
}
