//! Guests that misbehave: what it costs them, and that it costs nobody else.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

mod harness;
mod program;
mod second;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use harness::{Scene, next, run, run_until_ready};
use program::{assert_has, told};
use second::{ask, listen, service_error, settle};
use serde_json::{Value, json};
use test_support::NatsServer;

/// Connection, subjects and sids as the server knows them.
async fn known_to_server(server: &NatsServer, name: &str) -> Result<Vec<Value>> {
    let connection = server.connection(name).await?.with_context(|| format!("no {name}"))?;
    let details = connection["subscriptions_list_detail"].as_array().context("no details")?;
    let mut known = vec![connection["cid"].clone()];
    known.extend(details.iter().map(|one| json!([one["subject"], one["sid"]])));
    Ok(known)
}

#[tokio::test]
async fn after_a_trap_a_fresh_instance_serves() -> Result<()> {
    let scene = Scene::with(&["trapper"], &["-A", "--name", "trapper"]).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "a").await?.payload, "1 a");
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "2 b");
    let before = known_to_server(&scene.server, "trapper").await?;
    assert_eq!(before.len(), 2, "{before:?}");

    let begin = Instant::now();
    let error = ask(&scene.client, "trapper.in", "trap").await?;
    let (text, code) = service_error(&error).context("no error reply")?;
    assert_has(text, &["trap", "unreachable"]);
    assert_eq!((code, error.payload.len()), ("500", 0));
    // Told by the host and not by a time-out.
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());

    assert_eq!(ask(&scene.client, "trapper.in", "c").await?.payload, "1 c");
    assert_eq!(known_to_server(&scene.server, "trapper").await?, before);
    Ok(())
}

#[tokio::test]
async fn a_trap_is_logged_with_the_guests_calls_and_not_the_hosts() -> Result<()> {
    let scene = Scene::of(&["trapper"]).await?;
    ask(&scene.client, "trapper.in", "trap").await?;
    let failed = |line: &test_support::LogLine| {
        line.text.contains("\"WARN\"") && line.text.contains("instance failed")
    };
    let line = scene.host.wait_for_log("the trap", failed).await?;
    assert_eq!(line.field("plugin"), Some(&json!("trapper")));
    let error = line.field("error").and_then(Value::as_str).context("no error")?;
    assert_has(error, &["unreachable", "wasm backtrace", "trapper"]);
    assert!(!error.contains("wasmtime"), "{error}");
    Ok(())
}

#[tokio::test]
async fn only_the_message_in_hand_is_lost_of_those_queued() -> Result<()> {
    const COUNT: usize = 10_000;
    let scene = Scene::of(&["trapper"]).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    for number in 0..COUNT {
        let text = if number == COUNT / 2 { "trap".to_owned() } else { number.to_string() };
        scene.client.publish_with_reply("trapper.in", "answers", text.into()).await?;
    }
    let mut fresh = 0;
    for number in 0..COUNT {
        let answer = next(&mut answers).await?;
        if number == COUNT / 2 {
            assert_eq!(service_error(&answer).map(|(_, code)| code), Some("500"));
            fresh = number + 1;
        } else {
            let expected = format!("{} {number}", number + 1 - fresh);
            assert_eq!(answer.payload, expected);
        }
    }
    Ok(())
}

#[tokio::test]
async fn traps_of_one_plugin_cost_another_nothing() -> Result<()> {
    let scene = Scene::of(&["trapper", "counter"]).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    const TRAPS: usize = 4;
    for number in 0..10_000 {
        scene.client.publish("counter.in", number.to_string().into()).await?;
        if number % (10_000 / TRAPS) == 0 {
            scene.client.publish_with_reply("trapper.in", "answers", "trap".into()).await?;
        }
    }
    settle(&scene.client).await?;
    for _ in 0..TRAPS {
        assert!(service_error(&next(&mut answers).await?).is_some());
    }
    let report = ask(&scene.client, "counter.report", "").await?;
    let report: Value = serde_json::from_slice(&report.payload)?;
    assert_eq!(report, json!({ "count": 10_000, "last": 9_999, "ordered": true }));
    Ok(())
}

#[tokio::test]
async fn several_instances_of_a_plugin_go_on_while_one_traps() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["-A", "--instances", "3", "--name", "trapper"];
    let _host = run_until_ready(&server.url(), &["trapper"], &args).await?;
    let before = known_to_server(&server, "trapper").await?;
    assert_eq!(before.len(), 2, "one subscription for all: {before:?}");
    let client = server.client().await?;
    let mut errors = 0;
    for number in 0..300 {
        let trap = number % 100 == 50;
        let text = if trap { "trap".to_owned() } else { number.to_string() };
        let answer = ask(&client, "trapper.in", &text).await?;
        match service_error(&answer) {
            Some(_) => errors += 1,
            None => assert!(answer.payload.ends_with(format!(" {number}").as_bytes())),
        }
    }
    assert_eq!(errors, 3);
    assert_eq!(known_to_server(&server, "trapper").await?, before);
    Ok(())
}

#[tokio::test]
async fn an_error_of_a_handler_is_answered_and_logged() -> Result<()> {
    let scene = Scene::of(&["failing"]).await?;
    let answer = ask(&scene.client, "failing.in", "this").await?;
    assert_eq!(service_error(&answer), Some(("refused this", "500")));

    // Without a reply-to there is nobody to tell but the operator.
    scene.client.publish("failing.in", "that".into()).await?;
    let failed = |line: &test_support::LogLine| {
        line.message() == Some("handler failed")
            && line.field("reason") == Some(&json!("refused that"))
    };
    let line = scene.host.wait_for_log("the error", failed).await?;
    assert_eq!(line.field("plugin"), Some(&json!("failing")));
    // An error is ordinary traffic: no instance ends.
    let answer = ask(&scene.client, "failing.in", "it").await?;
    assert_eq!(service_error(&answer), Some(("refused it", "500")));
    let finished = scene.host.stop().await?;
    assert!(!finished.log.iter().any(|line| line.text.contains("instance failed")));
    Ok(())
}

#[tokio::test]
async fn an_error_text_can_not_forge_headers() -> Result<()> {
    let scene = Scene::of(&["failing"]).await?;
    let answer = ask(&scene.client, "failing.in", "a\r\nForged: yes\r\n\r\nbody").await?;
    let (text, code) = service_error(&answer).context("no error reply")?;
    assert_has(text, &["refused a", "Forged: yes"]);
    assert_eq!((code, answer.payload.len()), ("500", 0));
    assert!(answer.headers.is_some_and(|headers| headers.get("Forged").is_none()));
    Ok(())
}

#[tokio::test]
async fn an_endless_callback_is_cut_while_others_answer() -> Result<()> {
    // With two processors, the first and the third plugin share a thread.
    // In processor time, of which a busy machine gives little.
    let limit = ["-A", "--callback-cpu-time", "500ms"];
    let scene = Scene::with(&["spinner", "counter", "echo"], &limit).await?;
    let mut shares = Vec::new();
    // Others may keep the machine itself from being prompt; not always, though.
    for _ in 0..10 {
        let share = share_of_prompt_answers_beside_a_spin(&scene).await?;
        assert_eq!(ask(&scene.client, "spinner.in", "?").await?.payload, "still here");
        if share > 0.95 {
            return Ok(());
        }
        shares.push(share);
    }
    bail!("shares of prompt answers: {shares:?}")
}

/// Makes one plugin spin until it is cut, and asks another all the while.
async fn share_of_prompt_answers_beside_a_spin(scene: &Scene) -> Result<f64> {
    const PROMPT: Duration = Duration::from_millis(50);
    let mut answers = listen(&scene.client, "answers").await?;
    let begin = Instant::now();
    scene.client.publish_with_reply("spinner.in", "answers", "spin".into()).await?;
    settle(&scene.client).await?;
    let (mut prompt, mut all) = (0, 0);
    let cut = {
        let cut = next(&mut answers);
        tokio::pin!(cut);
        loop {
            tokio::select! {
                cut = &mut cut => break cut?,
                answer = timed(&scene.client) => {
                    all += 1;
                    prompt += i32::from(answer? <= PROMPT);
                }
            }
        }
    };
    let time = begin.elapsed();
    let (text, code) = service_error(&cut).context("no error reply")?;
    assert_has(text, &["processor time"]);
    assert_eq!(code, "500");
    assert!(time > Duration::from_millis(400), "cut after {time:?}");
    Ok(f64::from(prompt) / f64::from(all))
}

async fn timed(client: &async_nats::Client) -> Result<Duration> {
    let begin = Instant::now();
    ask(client, "echo", "?").await?;
    Ok(begin.elapsed())
}

#[tokio::test]
async fn a_plugin_whose_start_fails_is_a_failure_with_its_reason() -> Result<()> {
    let server = NatsServer::start().await?;
    let refused = run(&server.url(), &["start-error"], &["-A"])?.wait().await?;
    assert_eq!(told(&refused, 1)?, "plugin start-error: start failed: nothing to serve here");

    let trapped = run(&server.url(), &["start-trap"], &["-A"])?.wait().await?;
    assert_has(&told(&trapped, 1)?, &["plugin start-trap: trap in start", "unreachable"]);
    // What it printed before is in the log.
    assert!(trapped.log.iter().any(|line| line.message() == Some("no start")));
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_can_not_start_ends_those_beside_it_cleanly() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut stopped = listen(&client, "stopper.stopped").await?;
    let finished = run(&server.url(), &["stopper", "start-error"], &["-A"])?.wait().await?;
    assert_has(&told(&finished, 1)?, &["nothing to serve here"]);
    assert_eq!(next(&mut stopped).await?.payload, "0");
    Ok(())
}
