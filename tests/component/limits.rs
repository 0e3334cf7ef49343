//! What a plugin may use: beyond each limit it is refused, with an event that says
//! what was wanted of what there is; up to the limit it works.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{HostProcess, LogLine, NatsServer, TempDir, guest};

use crate::harness::asking::{RELAY, request};
use crate::harness::{self, GuestError, Probe, Scene, next_text};
use crate::program::{assert_has, told};
use crate::second::{ask, listen, service_error, settle};

/// The plugin `probe`, which may do everything, within limits.
async fn probe_within(limits: &[&str]) -> Result<(Scene, Probe)> {
    let scene = Scene::with(&["probe"], &[&["-A"], limits].concat()).await?;
    let probe = scene.probe();
    Ok((scene, probe))
}

/// The event of a refusal: what is in use, what would be, and what may be.
async fn limit_event(host: &HostProcess, limit: &str) -> Result<(u64, u64, u64)> {
    let is_event = |line: &LogLine| {
        line.message() == Some("limit reached") && line.field("limit") == Some(&json!(limit))
    };
    let line = host.wait_for_log(&format!("the event of {limit}"), is_event).await?;
    assert_eq!(line.field("plugin"), Some(&json!("probe")));
    let number = |name: &str| line.field(name).and_then(Value::as_u64).context("no number");
    Ok((number("current")?, number("desired")?, number("maximum")?))
}

fn assert_quota(error: &GuestError, limit: &str, maximum: u64) {
    assert_eq!(error.kind, "QuotaExceeded", "{error:?}");
    assert_has(&error.text, &[limit, &maximum.to_string()]);
}

fn set_timer() -> Value {
    json!({ "op": "set_timer", "relay": RELAY, "delay_ms": 3_600_000 })
}

fn publish(payload: &str) -> Value {
    json!({ "op": "publish", "subject": "out", "payload": payload })
}

#[tokio::test]
async fn timers_beyond_the_limit_are_refused() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-timers", "2"]).await?;
    let first = probe.obey(set_timer()).await?;
    probe.obey(set_timer()).await?;
    assert_quota(&probe.refuse(set_timer()).await?, "timers", 2);
    assert_eq!(limit_event(&scene.host, "timers").await?, (2, 3, 2));
    // One that is gone makes room.
    probe.obey(json!({ "op": "cancel_timer", "id": first })).await?;
    probe.obey(set_timer()).await?;
    Ok(())
}

#[tokio::test]
async fn subscriptions_beyond_the_limit_are_refused() -> Result<()> {
    // The probe has one of its own, for commands.
    let (scene, probe) = probe_within(&["--max-subscriptions", "2"]).await?;
    let sid = probe.subscribe("a", None).await?;
    let refused = probe.refuse(json!({ "op": "subscribe", "subject": "b" })).await?;
    assert_quota(&refused, "subscriptions", 2);
    assert_eq!(limit_event(&scene.host, "subscriptions").await?, (2, 3, 2));
    probe.obey(json!({ "op": "unsubscribe", "sid": sid })).await?;
    probe.subscribe("b", None).await?;
    Ok(())
}

#[tokio::test]
async fn requests_under_way_are_limited_in_number_and_bytes() -> Result<()> {
    let limits = ["--max-requests", "2", "--max-request-bytes", "20B"];
    let (scene, probe) = probe_within(&limits).await?;
    let _silent = listen(&scene.client, "silent").await?;
    let send = |payload: &str| {
        request("request", "silent", json!({ "payload": payload, "timeout_ms": 60_000 }))
    };
    let refused = probe.refuse(send("more than twenty bytes")).await?;
    assert_quota(&refused, "request-bytes", 20);
    assert_eq!(limit_event(&scene.host, "request-bytes").await?, (0, 22, 20));

    let first = probe.obey(send("ten bytes.")).await?;
    probe.obey(send("ten bytes.")).await?;
    assert_quota(&probe.refuse(send("")).await?, "requests", 2);
    assert_eq!(limit_event(&scene.host, "requests").await?, (2, 3, 2));

    // One that is over makes room for as much.
    probe.obey(json!({ "op": "cancel_request", "id": first })).await?;
    assert_quota(&probe.refuse(send("eleven byte")).await?, "request-bytes", 20);
    probe.obey(send("ten bytes.")).await?;
    Ok(())
}

#[tokio::test]
async fn answers_that_are_waited_for_are_limited_in_bytes() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-answer-bytes", "1KiB"]).await?;
    let mut questions = listen(&scene.client, "many").await?;
    let client = scene.client.clone();
    let answering = tokio::spawn(async move {
        let question = harness::next(&mut questions).await?;
        let inbox = harness::asking::inbox(&question)?;
        for _ in 0..10 {
            client.publish(inbox.clone(), vec![b'x'; 300].into()).await?;
        }
        // An empty one ends it.
        client.publish(inbox, "end".into()).await?;
        settle(&client).await
    });
    let wait = request("request_and_wait", "many", json!({ "max_replies": 11 }));
    let answers = probe.obey(wait).await?;
    answering.await??;
    // What there is room for, and the last one, which ends it.
    let answers = answers.as_array().context("no list")?;
    assert!((3..=4).contains(&answers.len()), "{}", answers.len());
    let (current, desired, maximum) = limit_event(&scene.host, "answer-bytes").await?;
    assert!(current <= maximum && desired > maximum, "{current} {desired} {maximum}");
    assert_eq!(maximum, 1024);
    Ok(())
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-connections", "2"]).await?;
    let connect = |name: &str| json!({ "op": "connect", "name": name });
    probe.obey(connect("second")).await?;
    assert_quota(&probe.refuse(connect("third")).await?, "connections", 2);
    assert_eq!(limit_event(&scene.host, "connections").await?, (2, 3, 2));
    // The same one again is no more.
    probe.obey(connect("second")).await?;
    Ok(())
}

#[tokio::test]
async fn a_payload_of_one_byte_too_many_is_refused() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-payload", "1KiB"]).await?;
    let mut out = listen(&scene.client, "out").await?;
    let refused = probe.refuse(publish(&"x".repeat(1025))).await?;
    assert_eq!(refused.kind, "PayloadTooLarge");
    assert_has(&refused.text, &["1024"]);
    assert_eq!(limit_event(&scene.host, "payload-bytes").await?, (0, 1025, 1024));
    probe.obey(publish(&"x".repeat(1024))).await?;
    assert_eq!(next_text(&mut out).await?.len(), 1024);
    Ok(())
}

#[tokio::test]
async fn headers_are_limited_in_number_and_bytes() -> Result<()> {
    let limits = ["--max-headers", "2", "--max-header-bytes", "100B"];
    let (scene, probe) = probe_within(&limits).await?;
    let mut out = listen(&scene.client, "out").await?;
    let _silent = listen(&scene.client, "silent").await?;
    let with = |headers: Value| json!({ "op": "publish", "subject": "out", "headers": headers });
    let asked = |headers: Value| {
        request("request", "silent", json!({ "headers": headers, "timeout_ms": 60_000 }))
    };
    let many = json!([["a", "1"], ["b", "2"], ["c", "3"]]);
    for command in [with(many.clone()), asked(many)] {
        assert_quota(&probe.refuse(command).await?, "headers", 2);
    }
    assert_eq!(limit_event(&scene.host, "headers").await?, (0, 3, 2));
    let large = json!([["a", "x".repeat(60)], ["b", "x".repeat(60)]]);
    for command in [with(large.clone()), asked(large)] {
        assert_quota(&probe.refuse(command).await?, "header-bytes", 100);
    }
    limit_event(&scene.host, "header-bytes").await?;

    // The block has 12 + 5 bytes, and 4 more for each field.
    let fitting = json!([["a", "x".repeat(50)], ["b", "x".repeat(22)]]);
    probe.obey(with(fitting)).await?;
    let message = harness::next(&mut out).await?;
    assert_eq!(message.headers.map(|headers| headers.len()), Some(2));
    Ok(())
}

#[tokio::test]
async fn publishing_faster_than_the_rate_is_refused() -> Result<()> {
    let args = ["-A", "--max-publish-messages-per-second", "100"];
    let scene = Scene::with(&["flood"], &args).await?;
    let mut out = listen(&scene.client, "flood.out").await?;
    let begin = Instant::now();
    // The answer counts too, and comes too early.
    let error = ask(&scene.client, "flood.go", "100000").await?;
    let time = begin.elapsed();
    let (text, _) = service_error(&error).context("no error reply")?;
    assert_has(text, &["publish-messages-per-second", "100"]);
    scene.client.publish("flood.out", "end".into()).await?;
    let mut taken = 0;
    loop {
        let text = next_text(&mut out).await?;
        if text == "end" {
            break;
        }
        assert_eq!(text, taken.to_string());
        taken += 1;
    }
    // A second's worth at once, and what the time brings.
    let most = 100.0 + 100.0 * time.as_secs_f64() + 1.0;
    assert!(taken >= 50 && f64::from(taken) <= most, "{taken} in {time:?}");
    Ok(())
}

#[tokio::test]
async fn the_rate_of_published_bytes_is_limited_and_time_brings_more() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-publish-bytes-per-second", "100KiB"]).await?;
    let large = publish(&"x".repeat(50_000));
    let deadline = Instant::now() + test_support::DEADLINE;
    // Its own answers count too, and are refused like the rest: the probe is silent then.
    let refused = loop {
        match probe.outcome(large.clone()).await {
            Ok(Ok(_)) => {}
            Ok(Err(refused)) => break Some(refused),
            Err(_) => break None,
        }
        assert!(Instant::now() < deadline, "nothing was refused");
    };
    if let Some(refused) = refused {
        assert_quota(&refused, "publish-bytes-per-second", 102_400);
    }
    let (current, desired, maximum) = limit_event(&scene.host, "publish-bytes-per-second").await?;
    assert_eq!((current, desired > maximum, maximum), (102_400, true, 102_400));
    test_support::eventually("the rate to allow more", async || {
        Ok(probe.outcome(publish("small")).await.ok().and_then(Result::ok))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused() -> Result<()> {
    let (scene, probe) = probe_within(&["--max-memory", "16MiB"]).await?;
    let allocate = |bytes: u64| json!({ "op": "allocate", "bytes": bytes });
    let refused = probe.refuse(allocate(16 << 20)).await?;
    assert_eq!(refused.kind, "Other");
    let (current, desired, maximum) = limit_event(&scene.host, "memory-bytes").await?;
    assert!(current < maximum && desired > maximum, "{current} {desired} {maximum}");
    assert_eq!(maximum, 16 << 20);
    probe.obey(allocate(4 << 20)).await?;
    Ok(())
}

#[tokio::test]
async fn a_component_of_too_many_modules_or_tables_does_not_start() -> Result<()> {
    let server = NatsServer::start().await?;
    for (args, reason) in
        [(["--max-core-instances", "1"], "instance"), (["--max-table-elements", "1"], "table")]
    {
        let args = [&["-A"], &args[..]].concat();
        let refused = harness::run(&server.url(), &["echo"], &args)?.wait().await?;
        assert_has(&told(&refused, 1)?, &["plugin echo", reason]);
    }
    Ok(())
}

#[tokio::test]
async fn time_in_a_callback_is_limited() -> Result<()> {
    let scene = Scene::with(&["sleeper"], &["-A", "--callback-timeout", "400ms"]).await?;
    let error = ask(&scene.client, "sleeper.in", "60000").await?;
    let (text, _) = service_error(&error).context("no error reply")?;
    assert_has(text, &["400ms"]);
    assert_eq!(ask(&scene.client, "sleeper.in", "10").await?.payload, "slept");
    Ok(())
}

#[tokio::test]
async fn time_with_nothing_in_hand_is_not_limited() -> Result<()> {
    const LIMIT: Duration = Duration::from_millis(200);
    let scene = Scene::with(&["sleeper"], &["-A", "--callback-timeout", "200ms"]).await?;
    for _ in 0..3 {
        assert_eq!(ask(&scene.client, "sleeper.in", "10").await?.payload, "slept");
        // What must not happen is announced by nothing.
        tokio::time::sleep(LIMIT * 2).await;
    }
    let finished = scene.host.stop().await?;
    assert!(finished.status.success(), "{:#?}", finished.log);
    let failed = finished.log.iter().find(|line| line.text.contains("callback-timeout"));
    assert!(failed.is_none(), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn processor_time_of_a_callback_is_limited() -> Result<()> {
    let scene = Scene::with(&["spinner"], &["-A", "--callback-cpu-time", "200ms"]).await?;
    let error = ask(&scene.client, "spinner.in", "spin").await?;
    let (text, _) = service_error(&error).context("no error reply")?;
    assert_has(text, &["processor time", "200ms"]);
    assert_eq!(ask(&scene.client, "spinner.in", "?").await?.payload, "still here");
    Ok(())
}

#[tokio::test]
async fn a_command_may_be_limited_in_time() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["-A", "--command-timeout", "300ms"];
    let finished = harness::run(&server.url(), &["pull"], &args)?.wait().await?;
    assert_has(&told(&finished, 1)?, &["run", "300ms"]);
    Ok(())
}

#[tokio::test]
async fn printing_faster_than_the_rate_is_cut_and_counted() -> Result<()> {
    const LINES: u64 = 3_000;
    let args = ["-A", "--max-log-lines-per-second", "100"];
    let scene = Scene::with(&["stdout"], &args).await?;
    let text = "a line of the flood\n".repeat(LINES as usize - 1) + "a line of the flood";
    ask(&scene.client, "stdout.out", &text).await?;
    let cut = |line: &LogLine| line.message() == Some("limit reached");
    let cut = scene.host.wait_for_log("the event", cut).await?;
    assert_eq!(cut.field("limit"), Some(&json!("log-lines-per-second")));
    assert_eq!(cut.field("maximum"), Some(&json!(100)));
    // All of them are in the log, or counted.
    let counted = |line: &LogLine| line.field("lines").is_some();
    scene.host.wait_for_log("the number of lines left out", counted).await?;
    let log = scene.host.stop().await?.log;
    let shown = log.iter().filter(|line| line.message() == Some("a line of the flood")).count();
    let left_out = log.iter().filter_map(|line| line.field("lines").and_then(Value::as_u64));
    assert_eq!(shown as u64 + left_out.sum::<u64>(), LINES);
    assert!((50..1_000).contains(&shown), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_long_line_is_cut_into_several() -> Result<()> {
    let args = ["-A", "--max-log-line", "10B"];
    let scene = Scene::with(&["stdout"], &args).await?;
    ask(&scene.client, "stdout.out", "0123456789abcdefghijKLM").await?;
    for part in ["0123456789", "abcdefghij", "KLM"] {
        scene.host.wait_for_log(part, |line| line.message() == Some(part)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_component_larger_than_the_limit_is_refused_before_it_is_read() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["-A", "--max-component", "1KiB"];
    let refused = harness::run(&server.url(), &["echo"], &args)?.wait().await?;
    assert_has(&told(&refused, 3)?, &["echo.wasm", "the limit is 1024"]);

    let folder = TempDir::new()?;
    let path = folder.path().join("large.wasm");
    // Only its length is of that size.
    std::fs::File::create(&path)?.set_len(200 << 20)?;
    let url = server.url();
    let args = ["run", &path.display().to_string(), "-A", "--server", &url];
    let refused = HostProcess::start(harness::BINARY, args)?.wait().await?;
    assert_has(&told(&refused, 3)?, &["large.wasm", "209715200", "67108864"]);
    Ok(())
}

#[tokio::test]
async fn compiling_longer_than_the_limit_ends_with_the_reason() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["-A", "--no-compile-cache", "--compile-timeout", "1ms"];
    let begin = Instant::now();
    let refused = harness::run(&server.url(), &["probe"], &args)?.wait().await?;
    assert_has(&told(&refused, 3)?, &["probe.wasm", "1ms"]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    Ok(())
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_with_what_would() -> Result<()> {
    let component = guest("echo")?.display().to_string();
    for (args, said) in [
        (["--max-memory", "64"], "64 MiB"),
        (["--callback-timeout", "0s"], "0s"),
        (["--max-timers", "many"], "many"),
    ] {
        let args = [&["run", &component], &args[..]].concat();
        let refused = HostProcess::start(harness::BINARY, args)?.wait().await?;
        assert_eq!(refused.status.code(), Some(2));
        let log: Vec<_> = refused.log.iter().map(|line| line.text.as_str()).collect();
        assert_has(&log.join("\n"), &[said]);
    }
    Ok(())
}
