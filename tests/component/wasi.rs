//! What of the system a guest gets: nothing that was not granted, and the operator
//! learns what it tried.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{LogLine, TempDir, guest};

use crate::harness::Scene;
use crate::program::{assert_has, output, start};
use crate::second::{ask, service_error};

/// What the guest `system` says of a thing that it tried.
async fn tried(scene: &Scene, what: &str, text: &str) -> Result<String> {
    let answer = ask(&scene.client, &format!("system.{what}"), text).await?;
    Ok(String::from_utf8(answer.payload.into())?)
}

/// Waits until the log tells of a refusal that has these parts.
async fn assert_refused(scene: &Scene, parts: &[&str]) -> Result<()> {
    let is_refusal = |line: &LogLine| {
        let what = line.field("what").and_then(Value::as_str).unwrap_or_default();
        line.message() == Some("refused") && parts.iter().all(|part| what.contains(part))
    };
    let line = scene.host.wait_for_log(&format!("a refusal of {parts:?}"), is_refusal).await?;
    assert_eq!(line.field("plugin"), Some(&json!("system")));
    Ok(())
}

#[tokio::test]
async fn without_a_granted_directory_there_are_no_files() -> Result<()> {
    let scene = Scene::of(&["system"]).await?;
    for path in ["/etc/hostname", "Cargo.toml", "/proc/self/environ"] {
        assert_has(&tried(&scene, "read", path).await?, &["error: "]);
    }
    assert_has(&tried(&scene, "write", "/tmp/simple-nats-was-here").await?, &["error: "]);
    assert_refused(&scene, &["opening", "etc/hostname", "--dir"]).await?;
    assert_refused(&scene, &["simple-nats-was-here"]).await
}

#[tokio::test]
async fn a_granted_directory_may_be_read_and_not_written() -> Result<()> {
    let folder = TempDir::new()?;
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside)?;
    std::fs::write(folder.path().join("secret"), "secret")?;
    std::fs::write(inside.join("open"), "open")?;
    std::os::unix::fs::symlink("../secret", inside.join("link"))?;
    let grant = format!("{}::/data", inside.display());
    let scene = Scene::with(&["system"], &["-A", "--dir", &grant]).await?;
    for outside in ["/data/../secret", "/data/link", "/etc/hostname"] {
        assert_has(&tried(&scene, "read", outside).await?, &["error: "]);
    }
    for file in ["/data/open", "/data/new"] {
        assert_has(&tried(&scene, "write", file).await?, &["error: "]);
    }
    assert_eq!(std::fs::read_to_string(inside.join("open"))?, "open");
    assert!(!inside.join("new").exists());
    assert_eq!(tried(&scene, "read", "/data/open").await?, "open");
    Ok(())
}

#[tokio::test]
async fn a_directory_granted_as_writable_may_be_written() -> Result<()> {
    let folder = TempDir::new()?;
    let grant = format!("{}::/data", folder.path().display());
    let scene = Scene::with(&["system"], &["-A", "--dir-writable", &grant]).await?;
    assert_eq!(tried(&scene, "write", "/data/new").await?, "done");
    assert_eq!(std::fs::read_to_string(folder.path().join("new"))?, "written");
    Ok(())
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_refused() -> Result<()> {
    let component = guest("system")?.display().to_string();
    let refused = start(&["run", &component, "--dir", "/no/such/directory"])?.wait().await?;
    assert_eq!(refused.status.code(), Some(2));
    let log: Vec<_> = refused.log.iter().map(|line| line.text.as_str()).collect();
    assert_has(&log.join("\n"), &["/no/such/directory is no directory"]);
    Ok(())
}

#[tokio::test]
async fn sockets_are_refused_and_named() -> Result<()> {
    let scene = Scene::of(&["system", "probe"]).await?;
    assert_has(&tried(&scene, "udp", "127.0.0.1:0").await?, &["error: "]);
    assert_refused(&scene, &["UDP"]).await?;
    assert_has(&tried(&scene, "lookup", "localhost").await?, &["error: "]);
    assert_refused(&scene, &["\"localhost\""]).await?;
    let address = format!("127.0.0.1:{}", scene.server.port());
    scene.probe().refuse(json!({ "op": "dial", "address": address })).await?;
    let dialled = |line: &LogLine| {
        let what = line.field("what").and_then(Value::as_str).unwrap_or_default();
        line.field("plugin") == Some(&json!("probe")) && what.contains("TCP")
    };
    scene.host.wait_for_log("the refusal of a TCP socket", dialled).await?;
    Ok(())
}

#[tokio::test]
async fn settings_and_environment_are_those_that_were_given() -> Result<()> {
    let args = ["-A", "--config", "greeting=hello=you", "--env", "LANG=C"];
    let scene = Scene::with(&["system", "probe"], &args).await?;
    assert_eq!(tried(&scene, "config", "greeting").await?, "hello=you");
    assert_eq!(tried(&scene, "config", "other").await?, "nothing");
    let environment = scene.probe().obey(json!({ "op": "environment" })).await?;
    assert_eq!(environment, json!([["LANG", "C"]]));
    Ok(())
}

#[tokio::test]
async fn a_component_that_only_carries_http_runs_and_traps_when_it_calls_it() -> Result<()> {
    let scene = Scene::of(&["system"]).await?;
    assert_eq!(tried(&scene, "random", "16").await?, "16");
    let answer = ask(&scene.client, "system.http", "").await?;
    let (text, code) = service_error(&answer).context("no error reply")?;
    assert_has(text, &["wasi:http/fetch", "status-of"]);
    assert_eq!(code, "500");
    assert_eq!(tried(&scene, "random", "16").await?, "16");
    Ok(())
}

#[tokio::test]
async fn random_bytes_are_limited_in_one_call() -> Result<()> {
    let scene = Scene::of(&["system"]).await?;
    for count in [(1_u64 << 20) + 1, u64::MAX] {
        let answer = ask(&scene.client, "system.random", &count.to_string()).await?;
        let (text, _) = service_error(&answer).context("no error reply")?;
        assert_has(text, &["exceeds limit"]);
    }
    assert_eq!(tried(&scene, "random", "1048576").await?, "1048576");
    Ok(())
}

#[tokio::test]
async fn a_guest_that_sleeps_in_the_system_holds_up_nobody_else() -> Result<()> {
    // Three plugins on two threads: the first and the third share one.
    let args = ["-A", "--callback-timeout", "2s"];
    let scene = Scene::with(&["system", "counter", "echo"], &args).await?;
    let client = scene.client.clone();
    let begin = Instant::now();
    let asleep = tokio::spawn(async move { ask(&client, "system.sleep", "3600000").await });
    let mut answers = 0;
    while !asleep.is_finished() {
        assert_eq!(ask(&scene.client, "echo", "?").await?.payload, "?");
        answers += 1;
    }
    let error = asleep.await??;
    let (text, _) = service_error(&error).context("no error reply")?;
    assert_has(text, &["2s"]);
    assert!(begin.elapsed() >= Duration::from_secs(2));
    assert!(answers > 100, "{answers}");
    assert_eq!(tried(&scene, "sleep", "10").await?, "slept");
    Ok(())
}

#[tokio::test]
async fn inspect_tells_what_a_component_does_not_get() -> Result<()> {
    let component = guest("system")?.display().to_string();
    let text = output(&["inspect", &component]).await?.join("\n");
    assert_has(&text, &["wasi:sockets/", "refused", "--dir", "--config", "runs on this host"]);
    let report: Value =
        serde_json::from_str(&output(&["inspect", &component, "--json"]).await?.join(""))?;
    let restricted = report["restricted"].as_object().context("no object")?;
    assert!(restricted.keys().any(|name| name.starts_with("wasi:http/")), "{restricted:?}");
    assert!(!restricted.keys().any(|name| name.starts_with("wasi:clocks/")), "{restricted:?}");
    assert_eq!(report["runs_here"], json!(true));
    Ok(())
}
