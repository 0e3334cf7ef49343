//! Being asked to stop: what was published arrives, what was delivered is
//! handled, and whoever asks twice does not wait.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use anyhow::{Context, Result};
use serde_json::Value;
use test_support::{LogLine, Signal, eventually};

use crate::harness::{Scene, next, next_text};
use crate::second::{ask, listen, settle};

/// Whether the host says that it gave something up.
fn complains(line: &LogLine) -> bool {
    line.text.contains("not everything was handled") || line.text.contains("\"ERROR\"")
}

/// Listens where the sleeper waits for an answer; it does so itself too, but not
/// once the host stops.
async fn keep_silent(scene: &Scene) -> Result<async_nats::Subscriber> {
    listen(&scene.client, "sleeper.silent").await
}

#[tokio::test]
async fn what_was_published_before_the_signal_arrives() -> Result<()> {
    const COUNT: u64 = 20_000;
    let scene = Scene::of(&["flood"]).await?;
    let mut out = listen(&scene.client, "flood.out").await?;
    scene.client.publish("flood.go", COUNT.to_string().into()).await?;
    settle(&scene.client).await?;
    assert_eq!(next_text(&mut out).await?, "0");
    scene.host.signal(Signal::TERM)?;
    for number in 1..COUNT {
        assert_eq!(next_text(&mut out).await?, number.to_string());
    }
    let finished = scene.host.wait().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert!(!finished.log.iter().any(complains), "{:#?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn what_was_delivered_is_handled_before_stop_runs() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = Scene::of(&["stopper"]).await?;
        let mut stopped = listen(&scene.client, "stopper.stopped").await?;
        for _ in 0..10_000 {
            scene.client.publish("stopper.in", "".into()).await?;
        }
        settle(&scene.client).await?;
        scene.host.signal(signal)?;
        assert_eq!(next_text(&mut stopped).await?, "10000", "{signal:?}");
        assert_eq!(scene.host.wait().await?.status.code(), Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn messages_queued_in_a_slow_plugin_are_all_answered() -> Result<()> {
    const COUNT: usize = 10;
    let scene = Scene::of(&["sleeper"]).await?;
    let _silent = keep_silent(&scene).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    for _ in 0..COUNT {
        scene.client.publish_with_reply("sleeper.in", "answers", "100".into()).await?;
    }
    assert_eq!(next_text(&mut answers).await?, "slept");
    scene.host.signal(Signal::TERM)?;
    for _ in 1..COUNT {
        assert_eq!(next_text(&mut answers).await?, "slept");
    }
    let finished = scene.host.wait().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert!(!finished.log.iter().any(complains), "{:#?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn nothing_new_is_taken_once_the_host_stops() -> Result<()> {
    let scene = Scene::with(&["sleeper"], &["-A", "--name", "sleeper"]).await?;
    let _silent = keep_silent(&scene).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    scene.client.publish_with_reply("sleeper.in", "answers", "500".into()).await?;
    settle(&scene.client).await?;
    scene.host.signal(Signal::TERM)?;
    // The inbox of its request in hand, if it is so far, is all that is left.
    let is_inbox = |entry: &Value| {
        entry["subject"].as_str().is_some_and(|subject| subject.starts_with("requests."))
    };
    eventually("the subscriptions to end", async || {
        let connection = scene.server.connection("sleeper").await?.context("no sleeper")?;
        let details = connection["subscriptions_list_detail"].as_array();
        Ok(details.is_none_or(|details| details.iter().all(is_inbox)).then_some(()))
    })
    .await?;
    let refused = scene.client.request("sleeper.in", "1".into()).await;
    let error = refused.err().context("it was answered")?;
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
    assert_eq!(next_text(&mut answers).await?, "slept");
    assert_eq!(scene.host.wait().await?.status.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_does_not_finish_is_given_up_in_time() -> Result<()> {
    let scene = Scene::with(&["sleeper"], &["-A", "--stop-timeout", "200ms"]).await?;
    let _silent = keep_silent(&scene).await?;
    scene.client.publish_with_reply("sleeper.in", "answers", "3600000".into()).await?;
    settle(&scene.client).await?;
    scene.host.signal(Signal::TERM)?;
    let finished = scene.host.wait().await?;
    assert!(finished.log.iter().any(complains), "{:#?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_at_once() -> Result<()> {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT)] {
        let scene = Scene::with(&["sleeper"], &["-A", "--stop-timeout", "1h"]).await?;
        let _silent = keep_silent(&scene).await?;
        scene.client.publish_with_reply("sleeper.in", "answers", "3600000".into()).await?;
        settle(&scene.client).await?;
        scene.host.signal(first)?;
        scene.host.wait_for_log("stopping", |line| line.message() == Some("stopping")).await?;
        scene.host.signal(second)?;
        assert_eq!(scene.host.wait().await?.status.code(), Some(130));
    }
    Ok(())
}

#[tokio::test]
async fn all_plugins_of_a_host_stop_cleanly() -> Result<()> {
    let scene = Scene::of(&["stopper", "echo", "counter"]).await?;
    let mut stopped = listen(&scene.client, "stopper.stopped").await?;
    assert_eq!(ask(&scene.client, "echo", "still there").await?.payload, "still there");
    let finished = scene.host.stop().await?;
    assert_eq!(finished.status.code(), Some(0));
    assert!(!finished.log.iter().any(complains), "{:#?}", finished.log);
    assert_eq!(next(&mut stopped).await?.payload, "0");
    Ok(())
}
