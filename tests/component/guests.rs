//! Guests for single ideas, and the check that no guest is without a test.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_support::{LogLine, eventually, guest, within};

use crate::harness::{self, Scene, next_text};
use crate::second::{ask, listen, settle};

#[test]
fn every_guest_is_named_in_a_test() -> Result<()> {
    let guests = guest("echo")?;
    let guests = guests.parent().context("no folder")?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(guests)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            names.insert(path.file_stem().context("no name")?.to_string_lossy().into_owned());
        }
    }
    ensure!(names.contains("echo"), "no guests in {}", guests.display());

    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    // Benchmarks check the answers that they get, so what they run is tested.
    let sources = [sources_in(&tests.join("component"))?, sources_in(&tests.join("bench"))?];
    let sources = sources.concat();
    names.retain(|name| !sources.contains(&format!("\"{name}\"")));
    ensure!(names.is_empty(), "guests without a test: {names:?}");
    Ok(())
}

/// All Rust text in a folder and those in it.
fn sources_in(folder: &Path) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            text.push_str(&sources_in(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(text)
}

#[tokio::test]
async fn a_handler_that_is_called_gets_and_sends_everything() -> Result<()> {
    let scene = Scene::of(&["raw-handler"]).await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "7");
    headers.append("Trace", "8");
    headers.insert("empty", "");
    let payload: Vec<u8> = (0..=255).collect();
    for _ in 0..3 {
        let request =
            scene.client.request_with_headers("raw.echo", headers.clone(), payload.clone().into());
        let answer = within("an answer", request).await??;
        assert_eq!(answer.payload, payload);
        assert_eq!(answer.headers.as_ref(), Some(&headers));
    }
    let answer = ask(&scene.client, "raw.echo", "bare").await?;
    assert_eq!((&answer.payload[..], answer.headers), (&b"bare"[..], None));

    // Without a reply-to its handler fails, which the log tells.
    scene.client.publish("raw.echo", "".into()).await?;
    let failed = |line: &LogLine| line.field("reason") == Some(&json!("no reply-to"));
    scene.host.wait_for_log("the error", failed).await?;
    Ok(())
}

#[tokio::test]
async fn messages_come_in_order_and_none_is_missing() -> Result<()> {
    const COUNT: u64 = 100_000;
    let scene = Scene::of(&["counter"]).await?;
    for number in 0..COUNT {
        scene.client.publish("counter.in", number.to_string().into()).await?;
        // A plugin's mailbox holds 65,536 messages.
        if number % 20_000 == 0 {
            report(&scene.client, number + 1).await?;
        }
    }
    let report = report(&scene.client, COUNT).await?;
    assert_eq!(report, json!({ "count": COUNT, "last": COUNT - 1, "ordered": true }));
    Ok(())
}

/// What the counter says once it has seen so many messages.
async fn report(client: &async_nats::Client, count: u64) -> Result<Value> {
    eventually(&format!("{count} messages"), async || {
        let report = ask(client, "counter.report", "").await?;
        let report: Value = serde_json::from_slice(&report.payload)?;
        Ok((report["count"] == count).then_some(report))
    })
    .await
}

#[tokio::test]
async fn messages_that_are_kept_stay_what_they_were() -> Result<()> {
    let large = "large".repeat(1_000);
    // Those that are not kept go where others may have been.
    for (first, second) in [("drop", "keep"), ("keep", "drop"), ("keep", "keep")] {
        let scene = Scene::of(&["keeper"]).await?;
        let mut expected = Vec::new();
        let small: Vec<_> = (0..8).map(|number| number.to_string()).collect();
        for text in small.iter().chain([&large]).chain(&small) {
            for fate in [first, "drop", second] {
                ask(&scene.client, &format!("keeper.{fate}"), text).await?;
                expected.extend((fate == "keep").then(|| text.clone()));
            }
        }
        for number in 100..120 {
            let fate = if number % 3 == 0 { first } else { second };
            scene.client.publish(format!("keeper.{fate}"), number.to_string().into()).await?;
            expected.extend((fate == "keep").then(|| number.to_string()));
        }
        let kept = ask(&scene.client, "keeper.kept", "").await?;
        let kept = String::from_utf8(kept.payload.to_vec())?;
        assert_eq!(kept, expected.join(","), "{first} {second}");
    }
    Ok(())
}

#[tokio::test]
async fn a_subscription_ended_in_its_own_callback_is_called_no_more() -> Result<()> {
    let scene = Scene::with(&["self-unsubscriber"], &["-A", "--name", "self"]).await?;
    let mut out = listen(&scene.client, "self-unsubscriber.out").await?;
    for _ in 0..10 {
        scene.client.publish("self-unsubscriber.in", "".into()).await?;
    }
    settle(&scene.client).await?;
    for number in ["1", "2", "3"] {
        assert_eq!(next_text(&mut out).await?, number);
    }
    scene.server.wait_for_subscriptions("self", &[]).await?;
    // The host has handled everything when it has stopped.
    scene.host.stop().await?;
    scene.client.publish("self-unsubscriber.out", "end".into()).await?;
    assert_eq!(next_text(&mut out).await?, "end");
    Ok(())
}

#[tokio::test]
async fn a_timer_comes_once_or_until_it_is_cancelled() -> Result<()> {
    let scene = Scene::of(&["timers"]).await?;
    let mut out = listen(&scene.client, "timers.out").await?;
    scene.client.publish("timers.in", "once 30".into()).await?;
    assert_eq!(next_text(&mut out).await?, "once");

    scene.client.publish("timers.in", "repeat 10 5".into()).await?;
    for number in 1..=5 {
        assert_eq!(next_text(&mut out).await?, number.to_string());
    }
    // A later timer is the proof that neither of these goes on.
    scene.client.publish("timers.in", "once 100".into()).await?;
    assert_eq!(next_text(&mut out).await?, "once");
    Ok(())
}

#[tokio::test]
async fn many_timers_come_in_the_order_of_their_times() -> Result<()> {
    let scene = Scene::of(&["timers"]).await?;
    let mut out = listen(&scene.client, "timers.out").await?;
    scene.client.publish("timers.in", "once 400".into()).await?;
    scene.client.publish("timers.in", "repeat 40 3".into()).await?;
    for expected in ["1", "2", "3", "once"] {
        assert_eq!(next_text(&mut out).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn what_a_plugin_prints_is_in_the_log_under_its_name() -> Result<()> {
    let scene = Scene::of(&["stdout"]).await?;
    for stream in ["out", "err"] {
        let text = format!("hello on {stream}\r\nand {stream} once more");
        assert_eq!(
            ask(&scene.client, &format!("stdout.{stream}"), &text).await?.payload,
            "printed"
        );
        for line in text.lines() {
            let printed =
                scene.host.wait_for_log(line, |seen| seen.message() == Some(line)).await?;
            assert_eq!(printed.field("plugin"), Some(&json!("stdout")));
            assert_eq!(printed.field("stream"), Some(&json!(format!("std{stream}"))));
        }
    }
    Ok(())
}

#[tokio::test]
async fn escape_codes_of_a_plugin_are_written_out() -> Result<()> {
    let server = test_support::NatsServer::start().await?;
    let client = server.client().await?;
    for format in ["json", "text"] {
        // The later of two equal options counts.
        let path = guest("stdout")?.display().to_string();
        let url = server.url();
        let args = ["run", &path, "-A", "--server", &url, "--log-format", format];
        let host = test_support::HostProcess::start(harness::BINARY, args)?;
        host.wait_for_log("the start", |line| line.text.contains("plugin ready")).await?;
        ask(&client, "stdout.out", "\x1b[2J\x1b]0;owned\x07gone").await?;
        let line = host.wait_for_log("the text", |line| line.text.contains("owned")).await?;
        assert!(!line.text.contains(['\x1b', '\x07']), "{:?}", line.text);
        let shown = line.message().unwrap_or(&line.text);
        assert!(shown.contains("\\u{1b}[2J\\u{1b}]0;owned\\u{7}gone"), "{shown}");
        host.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_line_is_logged_whole_and_the_last_also_without_an_end() -> Result<()> {
    let scene = Scene::of(&["stdout"]).await?;
    for part in ["one ", "line\nrest"] {
        ask(&scene.client, "stdout.part", part).await?;
    }
    scene.host.wait_for_log("a line", |line| line.message() == Some("one line")).await?;
    let finished = scene.host.stop().await?;
    assert!(finished.log.iter().any(|line| line.message() == Some("rest")), "{:#?}", finished.log);
    Ok(())
}
