//! The admin port, and the commands that use it.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use test_support::{Finished, LogLine, NatsServer, eventually, guest, http, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Admin, Scene};
use crate::program::{self, assert_has, output, run_to_end, told};
use crate::second::{ask, settle};

const ADMIN: [&str; 3] = ["-A", "--admin", "127.0.0.1:0"];

async fn command(admin: Admin, args: &[&str]) -> Result<Finished> {
    let address = admin.address.to_string();
    run_to_end(&[args, &["--admin", &address]].concat()).await
}

#[tokio::test]
async fn an_address_that_others_reach_needs_a_token() -> Result<()> {
    let server = NatsServer::start().await?;
    let (url, echo) = (server.url(), guest("echo")?);
    let echo = echo.to_str().context("path")?;
    let args = ["run", echo, "-A", "--server", &url, "--admin", "0.0.0.0:0"];
    let reason = program::failure(2, &args).await?;
    assert_has(&reason, &["0.0.0.0:0", "token", "127.0.0.1"]);

    let host = program::start(&[&args[..], &["--admin-token", "s3cret"]].concat())?;
    let admin = Admin::of(&host).await?;
    host.wait_until_ready("echo").await?;
    let port = admin.address.port();
    let admin = Admin { address: ([127, 0, 0, 1], port).into() };
    for path in ["/plugins", "/metrics", "/plugins/echo"] {
        let answer = admin.get(path).await?;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.json()?["error"].is_string());
        let wrong = http(admin.address, "GET", path, &["Authorization: Bearer s3cre"]).await?;
        assert_eq!(wrong.status, 401, "{path}");
        let right = http(admin.address, "GET", path, &["Authorization: Bearer s3cret"]).await?;
        assert_eq!(right.status, 200, "{path}");
    }
    assert_eq!(admin.get("/healthz").await?.status, 200);
    assert_eq!(admin.get("/readyz").await?.status, 200);

    assert_has(&told(&command(admin, &["drain", "echo"]).await?, 1)?, &["token"]);
    let listed = command(admin, &["ps", "--admin-token", "s3cret"]).await?;
    assert!(listed.status.success(), "{:?}", listed.log);
    let finished = host.stop().await?;
    assert!(!finished.log.iter().any(|line| line.text.contains("s3cret")));
    Ok(())
}

#[tokio::test]
async fn web_pages_are_refused() -> Result<()> {
    let scene = Scene::with(&["echo"], &ADMIN).await?;
    let admin = Admin::of(&scene.host).await?;
    for header in ["Origin: http://example.com", "Host: example.com"] {
        let answer = http(admin.address, "POST", "/plugins/echo/drain", &[header]).await?;
        assert_eq!(answer.status, 403, "{header}");
    }
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    Ok(())
}

#[tokio::test]
async fn errors_are_json() -> Result<()> {
    let scene = Scene::with(&["echo"], &ADMIN).await?;
    let admin = Admin::of(&scene.host).await?;
    let cases = [
        ("GET", "/plugins/nobody", 404, "there is no plugin \"nobody\"; there are: echo"),
        ("POST", "/plugins/nobody/reload", 404, "there is no plugin \"nobody\""),
        ("GET", "/nothing", 404, "no such page"),
        ("GET", "/plugins/echo/drain", 405, "method"),
        ("POST", "/plugins", 405, "method"),
        ("POST", "/plugins/echo/drain?timeout-ms=soon", 400, "timeout-ms"),
        ("POST", "/plugins/echo/drain?timeout=1", 400, "timeout"),
    ];
    for (method, path, status, reason) in cases {
        let answer = http(admin.address, method, path, &[]).await?;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let answer = answer.json()?;
        assert_has(answer["error"].as_str().context("no error")?, &[reason]);
    }
    assert_has(&told(&command(admin, &["ps", "nobody"]).await?, 1)?, &["there are: echo"]);
    Ok(())
}

#[tokio::test]
async fn a_plugin_is_shown_with_state_limits_counters_and_instances() -> Result<()> {
    let args = [&ADMIN[..], &["--instances", "2", "--name", "shown"]].concat();
    let scene = Scene::with(&["trapper"], &args).await?;
    let admin = Admin::of(&scene.host).await?;
    for text in ["a", "b", "c"] {
        ask(&scene.client, "trapper.in", text).await?;
    }
    ask(&scene.client, "trapper.in", "trap").await?;
    assert_eq!(admin.get("/healthz").await?.json()?, json!({ "healthy": true }));
    eventually("the plugin to be ready again", async || {
        let answer = admin.get("/readyz").await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    let plugin = eventually("a fresh instance", async || {
        let plugin = admin.plugin("trapper").await?;
        Ok((plugin["counts"]["started_instances"] == 3).then_some(plugin))
    })
    .await?;
    assert_eq!(plugin["status"], "serving");
    assert_eq!((&plugin["version"], &plugin["instance_count"]), (&json!(1), &json!("2")));
    assert_eq!((&plugin["counts"]["traps"], &plugin["counts"]["messages"]), (&json!(1), &json!(4)));
    assert_eq!(plugin["limits"]["memory-bytes"], 256 << 20);
    let instances = plugin["instances"].as_array().context("no instances")?;
    let messages: u64 = instances.iter().filter_map(|one| one["messages"].as_u64()).sum();
    assert_eq!((instances.len(), messages), (2, 4));
    assert_eq!(instances[0]["waiting_messages"], 0);
    assert_eq!(plugin["connections"][0]["name"], "shown");
    assert_eq!(plugin["connections"][0]["status"], "connected");

    let metrics = admin.get("/metrics").await?.body;
    for line in [
        "# TYPE simple_nats_plugin_messages_total counter",
        "simple_nats_plugin_messages_total{plugin=\"trapper\"} 4",
        "simple_nats_plugin_traps_total{plugin=\"trapper\"} 1",
        "simple_nats_plugin_up{plugin=\"trapper\"} 1",
        "simple_nats_plugin_instances{plugin=\"trapper\"} 2",
    ] {
        assert!(metrics.lines().any(|one| one == line), "no {line} in\n{metrics}");
    }

    let listed = command(admin, &["ps"]).await?.stdout.join("\n");
    let listed: Value = serde_json::from_str(&listed)?;
    assert_eq!(listed[0]["name"], "trapper");
    let table = command(admin, &["ps", "trapper", "--output", "table"]).await?.stdout;
    assert!(table[0].starts_with("NAME "), "{table:?}");
    assert_has(&table[1], &["trapper", "serving", "2 of 2"]);
    Ok(())
}

#[tokio::test]
async fn a_plugin_is_drained_and_restarted_by_command() -> Result<()> {
    let scene = Scene::with(&["trapper", "echo"], &ADMIN).await?;
    let admin = Admin::of(&scene.host).await?;
    ask(&scene.client, "trapper.in", "a").await?;
    let address = admin.address.to_string();
    let drained = output(&["drain", "trapper", "--admin", &address]).await?.join("\n");
    assert_eq!(serde_json::from_str::<Value>(&drained)?["status"], "stopped");
    let asked = scene.client.request("trapper.in", "b".into()).await;
    let error = asked.err().context("it still answers")?;
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
    let answer = admin.get("/readyz").await?;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()?, json!({ "ready": false, "plugins": 2, "serving": 1 }));
    assert_eq!(ask(&scene.client, "echo", "c").await?.payload, "c");

    output(&["restart", "trapper", "--admin", &address]).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "d").await?.payload, "1 d");
    assert_eq!(admin.get("/readyz").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_command_has_none() -> Result<()> {
    let job = guest("job")?;
    let job = job.to_str().context("path")?;
    for arguments in [&["--admin", "127.0.0.1:0"][..], &["--watch"]] {
        let reason = program::failure(2, &[&["run", job, "-A"], arguments].concat()).await?;
        assert_has(&reason, &["--admin", "this is a command"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_host_without_the_port_is_told_apart() -> Result<()> {
    let failed = run_to_end(&["ps", "--admin", "127.0.0.1:1"]).await?;
    assert_has(&told(&failed, 1)?, &["127.0.0.1:1", "refused", "--admin"]);
    Ok(())
}

#[tokio::test]
async fn clients_that_keep_silent_are_cut_and_the_others_answered() -> Result<()> {
    let scene = Scene::with(&["echo"], &ADMIN).await?;
    let admin = Admin::of(&scene.host).await?;
    // More than are served at a time.
    let mut silent = Vec::new();
    for number in 0..80 {
        let mut stream = TcpStream::connect(admin.address).await?;
        stream.write_all(&b"GET /plugins HTTP/1.1\r\n"[..number % 20]).await?;
        silent.push(stream);
    }
    let is_busy = |line: &LogLine| line.message() == Some("admin port busy; others wait");
    scene.host.wait_for_log("the port to be beset", is_busy).await?;
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    assert_eq!(admin.get("/readyz").await?.status, 200);
    let first = &mut silent[0];
    within("the first to be cut", first.read_to_end(&mut Vec::new())).await??;
    Ok(())
}

#[tokio::test]
async fn a_guest_that_spins_does_not_delay_it() -> Result<()> {
    // With two processors there is one on each shard.
    let scene = Scene::with(&["spinner", "spinner"], &ADMIN).await?;
    let admin = Admin::of(&scene.host).await?;
    let mut shares = Vec::new();
    // Others may keep the machine itself from being prompt; not always, though.
    for _ in 0..3 {
        let share = share_of_prompt_answers_beside_a_spin(&scene, admin).await?;
        if share > 0.9 {
            return Ok(());
        }
        shares.push(share);
    }
    bail!("shares of prompt answers: {shares:?}")
}

async fn share_of_prompt_answers_beside_a_spin(scene: &Scene, admin: Admin) -> Result<f64> {
    const PROMPT: Duration = Duration::from_millis(50);
    scene.client.publish("spinner.in", "spin".into()).await?;
    settle(&scene.client).await?;
    let (mut prompt, mut all) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let asked = Instant::now();
        assert_eq!(admin.get("/plugins").await?.status, 200);
        all += 1;
        prompt += i32::from(asked.elapsed() <= PROMPT);
    }
    Ok(f64::from(prompt) / f64::from(all))
}
