//! Publishing in callbacks: in order, whichever way, and whatever becomes of the
//! callback.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_nats::Message;

use crate::harness::{Scene, next, next_text};
use crate::program::assert_has;
use crate::second::{listen, service_error};

const IN: &str = "publisher.in";
const OUT: &str = "publisher.out";
const ANSWERS: &str = "publisher.answers";

async fn order(scene: &Scene, order: &str) -> Result<()> {
    scene.client.publish_with_reply(IN, ANSWERS, order.to_owned().into()).await?;
    Ok(())
}

fn number(message: &Message) -> Result<usize> {
    let text = std::str::from_utf8(&message.payload)?;
    let number = text.split(' ').next().context("no number")?;
    Ok(number.parse()?)
}

#[tokio::test]
async fn messages_leave_in_order_whichever_way_they_are_published() -> Result<()> {
    const MESSAGES: usize = 3_000;
    let scene = Scene::of(&["publisher"]).await?;
    let mut out = listen(&scene.client, OUT).await?;
    let mut answers = listen(&scene.client, ANSWERS).await?;
    order(&scene, &format!("mixed {MESSAGES}")).await?;
    for expected in 0..MESSAGES {
        assert_eq!(number(&next(&mut out).await?)?, expected);
    }
    assert_eq!(next_text(&mut answers).await?, "done");
    Ok(())
}

#[tokio::test]
async fn what_was_published_before_a_trap_is_sent_and_then_the_error() -> Result<()> {
    let scene = Scene::of(&["publisher"]).await?;
    // Both on one subscription, so that their order shows.
    let mut all = listen(&scene.client, "publisher.>").await?;
    for count in [1, 5_000] {
        order(&scene, &format!("trap {count}")).await?;
        assert_eq!(next(&mut all).await?.subject.as_str(), IN);
        for expected in 0..count {
            assert_eq!(number(&next(&mut all).await?)?, expected);
        }
        let answer = next(&mut all).await?;
        let (reason, _) = service_error(&answer).context("no error")?;
        assert_has(reason, &["trap in on-deliveries"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_message_leaves_while_its_callback_works_on() -> Result<()> {
    let limits = ["-A", "--callback-cpu-time", "1m", "--callback-timeout", "1m"];
    let scene = Scene::with(&["publisher"], &limits).await?;
    let mut out = listen(&scene.client, OUT).await?;
    order(&scene, "spin").await?;
    assert_eq!(next_text(&mut out).await?, "begun");
    scene.host.kill().await
}

#[tokio::test]
async fn a_message_leaves_before_its_callback_sleeps() -> Result<()> {
    let scene = Scene::of(&["publisher"]).await?;
    let mut out = listen(&scene.client, OUT).await?;
    order(&scene, "sleep").await?;
    assert_eq!(next_text(&mut out).await?, "begun");
    let begun = Instant::now();
    assert_eq!(next_text(&mut out).await?, "woken");
    // It slept for three.
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn answers_need_no_rule_but_the_subjects_of_servers_do() -> Result<()> {
    let rules = ["--allow-subscribe", IN];
    let scene = Scene::with(&["publisher"], &rules).await?;
    for allowed in [ANSWERS, "_INBOX.me.1", "requests.me.1", "short", "subjects", "größe.1"] {
        let mut answers = listen(&scene.client, allowed).await?;
        scene.client.publish_with_reply(IN, allowed, "hello".into()).await?;
        assert_eq!(next_text(&mut answers).await?, "hello");
    }
    scene.client.publish_with_reply(IN, "$JS.API.INFO", "hello".into()).await?;
    let refused = |line: &test_support::LogLine| line.text.contains("$JS.API.INFO");
    scene.host.wait_for_log("the answer to be refused", refused).await?;
    let mut answers = listen(&scene.client, ANSWERS).await?;
    order(&scene, "mixed 1").await?;
    let answer = next(&mut answers).await?;
    let (reason, _) = service_error(&answer).context("no error")?;
    assert_has(reason, &["--allow-publish 'publisher.out'"]);
    Ok(())
}
