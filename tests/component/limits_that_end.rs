//! Limits beyond which an instance ends, or does not begin: one event says so, with
//! what was in use, what would have been, and what may be.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{HostProcess, LogLine, NatsServer};

use crate::harness::{Scene, run};

/// The event of this limit: current, desired, maximum.
async fn event_in(host: &HostProcess, limit: &str) -> Result<[u64; 3]> {
    let is_event = |line: &LogLine| is_event_of(line, limit);
    let line = host.wait_for_log(&format!("the event of {limit}"), is_event).await?;
    numbers(&line)
}

fn is_event_of(line: &LogLine, limit: &str) -> bool {
    line.message() == Some("limit reached") && line.field("limit") == Some(&json!(limit))
}

fn numbers(line: &LogLine) -> Result<[u64; 3]> {
    let number = |name: &str| line.field(name).and_then(Value::as_u64).context("no number");
    Ok([number("current")?, number("desired")?, number("maximum")?])
}

/// A message for a plugin with these limits ends its instance: the event.
async fn ended(
    guest: &str,
    args: &[&str],
    (subject, text): (&'static str, &'static str),
    limit: &str,
) -> Result<[u64; 3]> {
    let scene = Scene::with(&[guest], &[&["-A"], args].concat()).await?;
    scene.client.publish(subject, text.into()).await?;
    event_in(&scene.host, limit).await
}

/// A component that does not start with these limits: the event, and the exit code.
async fn not_started(guest: &str, args: &[&str], limit: &str) -> Result<([u64; 3], Option<i32>)> {
    let server = NatsServer::start().await?;
    let finished = run(&server.url(), &[guest], &[&["-A"], args].concat())?.wait().await?;
    let mut events = finished.log.iter().filter(|line| is_event_of(line, limit));
    let event = events.next().with_context(|| format!("no event: {:#?}", finished.log))?;
    anyhow::ensure!(events.next().is_none(), "more than one event: {:#?}", finished.log);
    Ok((numbers(event)?, finished.status.code()))
}

/// All was used, and a little more was wanted.
fn one_more(maximum: u64) -> [u64; 3] {
    [maximum, maximum + 1, maximum]
}

#[tokio::test]
async fn duration_of_a_callback() -> Result<()> {
    let args = ["--callback-timeout", "400ms"];
    let event = ended("sleeper", &args, ("sleeper.in", "60000"), "callback-timeout-ms").await?;
    assert_eq!(event, one_more(400));
    Ok(())
}

#[tokio::test]
async fn processor_time_of_a_callback() -> Result<()> {
    let args = ["--callback-cpu-time", "200ms"];
    let event = ended("spinner", &args, ("spinner.in", "spin"), "callback-cpu-time-ms").await?;
    let [current, desired, maximum] = event;
    assert!(current >= maximum && desired > current, "{event:?}");
    assert_eq!(maximum, 200);
    Ok(())
}

#[tokio::test]
async fn native_stack() -> Result<()> {
    let message = ("attack.in", "");
    assert_eq!(ended("recursion", &[], message, "native-stack-bytes").await?, one_more(512 << 10));
    let args = ["--max-stack", "64KiB"];
    let event = ended("recursion", &args, message, "native-stack-bytes").await?;
    assert_eq!(event, one_more(64 << 10));
    Ok(())
}

#[tokio::test]
async fn handles() -> Result<()> {
    let args = ["--max-handles", "100"];
    for guest in ["pollables", "streams"] {
        let event = ended(guest, &args, ("attack.in", ""), "handles").await?;
        assert_eq!(event, one_more(100), "{guest}");
    }
    Ok(())
}

#[tokio::test]
async fn what_one_call_passes_to_the_host() -> Result<()> {
    let args = ["--max-payload", "1KiB"];
    let event = ended("oversize", &args, ("attack.in", "[4000000]"), "call-bytes").await?;
    assert_eq!(event, one_more((1 << 10) + (1 << 20)));
    Ok(())
}

#[tokio::test]
async fn failures_before_quarantine() -> Result<()> {
    let args = ["--max-failures", "0"];
    let event = ended("trapper", &args, ("trapper.in", "trap"), "failures").await?;
    assert_eq!(event, [0, 1, 0]);
    Ok(())
}

#[tokio::test]
async fn messages_that_wait_for_one_subscription() -> Result<()> {
    let args = ["-A", "--max-pending-messages", "2"];
    let scene = Scene::with(&["sleeper"], &args).await?;
    // One is in hand, two wait, and there is no room for one more.
    for _ in 0..4 {
        scene.client.publish("sleeper.in", "60000".into()).await?;
    }
    assert_eq!(event_in(&scene.host, "pending-messages").await?, one_more(2));
    Ok(())
}

#[tokio::test]
async fn duration_of_start() -> Result<()> {
    let args = ["--start-timeout", "300ms"];
    let event = not_started("wait-in-start", &args, "start-timeout-ms").await?;
    assert_eq!(event, (one_more(300), Some(1)));
    Ok(())
}

#[tokio::test]
async fn processor_time_of_start() -> Result<()> {
    let args = ["--callback-cpu-time", "100ms"];
    let (event, code) = not_started("spin-in-start", &args, "callback-cpu-time-ms").await?;
    assert_eq!((event[2], code), (100, Some(1)));
    Ok(())
}

#[tokio::test]
async fn duration_and_processor_time_of_stop() -> Result<()> {
    for (args, limit, maximum) in [
        (["--stop-callback-timeout", "200ms"], "stop-callback-timeout-ms", 200),
        (["--callback-cpu-time", "100ms"], "callback-cpu-time-ms", 100),
    ] {
        let scene = Scene::with(&["spin-in-stop"], &[&["-A"], &args[..]].concat()).await?;
        let finished = scene.host.stop().await?;
        let event = finished.log.iter().find(|line| is_event_of(line, limit));
        let event = event.with_context(|| format!("no event: {:#?}", finished.log))?;
        assert_eq!(numbers(event)?[2], maximum);
    }
    Ok(())
}

#[tokio::test]
async fn duration_of_a_command() -> Result<()> {
    let args = ["--command-timeout", "300ms"];
    let event = not_started("pull", &args, "command-timeout-ms").await?;
    assert_eq!(event, (one_more(300), Some(1)));
    Ok(())
}

#[tokio::test]
async fn core_instances() -> Result<()> {
    let event = not_started("echo", &["--max-core-instances", "1"], "core-instances").await?;
    assert_eq!(event, (one_more(1), Some(1)));
    Ok(())
}

#[tokio::test]
async fn size_of_a_component() -> Result<()> {
    let size = std::fs::metadata(test_support::guest("echo")?)?.len();
    let event = not_started("echo", &["--max-component", "1KiB"], "component-bytes").await?;
    assert_eq!(event, ([0, size, 1 << 10], Some(3)));
    Ok(())
}

#[tokio::test]
async fn duration_of_compiling() -> Result<()> {
    let args = ["--no-compile-cache", "--compile-timeout", "1ms"];
    let event = not_started("probe", &args, "compile-timeout-ms").await?;
    assert_eq!(event, (one_more(1), Some(3)));
    Ok(())
}
