//! A new version of a plugin takes over from the one that serves, and nobody who
//! talks to it notices.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_support::{HostProcess, NatsServer, Signal, TempDir, eventually, guest};

use crate::harness::{self, Admin};
use crate::program::{self, assert_has, told};
use crate::second::{ask, listen, settle};

/// A host with one plugin, called `it`, whose component can be replaced.
struct Scene {
    server: NatsServer,
    host: HostProcess,
    client: async_nats::Client,
    component: PathBuf,
    _folder: TempDir,
}

impl Scene {
    async fn of(name: &str, args: &[&str]) -> Result<Self> {
        let server = NatsServer::start().await?;
        let folder = TempDir::new()?;
        let component = folder.path().join("it.wasm");
        std::fs::copy(guest(name)?, &component)?;
        let path = component.to_str().context("path")?;
        let mut all = vec!["run", path, "-A", "--name", "it", "--server"];
        let url = server.url();
        all.extend([url.as_str(), "--log-format", "json"]);
        all.extend(args);
        let host = program::start(&all)?;
        host.wait_until_ready("it").await?;
        let client = server.client().await?;
        Ok(Self { server, host, client, component, _folder: folder })
    }

    /// Puts another component in its place, as a build does.
    fn replace(&self, name: &str) -> Result<()> {
        replace(&self.component, &std::fs::read(guest(name)?)?)
    }

    /// Connection, subjects and sids as the server knows them.
    async fn known_to_server(&self) -> Result<Value> {
        let connection = self.server.connection("it").await?.context("no connection")?;
        Ok(json!([
            connection["cid"],
            connection["subscriptions_list_detail"]
                .as_array()
                .context("no details")?
                .iter()
                .map(|one| json!([one["subject"], one["sid"]]))
                .collect::<Vec<_>>()
        ]))
    }

    async fn logged(&self, message: &str, count: usize) -> Result<String> {
        let mut left = count;
        let line = self.host.wait_for_log(message, |line| {
            left -= usize::from(line.message() == Some(message));
            left == 0
        });
        Ok(line.await?.text)
    }
}

fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes)?;
    Ok(std::fs::rename(new, path)?)
}

#[tokio::test]
async fn no_request_fails_while_a_plugin_is_reloaded_under_load() -> Result<()> {
    const RELOADS: u64 = 5;
    let scene = Scene::of("echo", &["--admin", "127.0.0.1:0", "--instances", "2"]).await?;
    let admin = Admin::of(&scene.host).await?;
    let before = scene.known_to_server().await?;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let askers: Vec<_> = (0..16)
        .map(|asker| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let client = scene.client.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let text = format!("{asker} {number}");
                    let answer = ask(&client, "echo", &text).await?;
                    ensure!(answer.payload == text, "{answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Ok(())
            })
        })
        .collect();
    for version in 2..2 + RELOADS {
        let so_far = answered.load(Ordering::Relaxed);
        let answer = admin.post("/plugins/it/reload").await?;
        assert_eq!((answer.status, &answer.json()?["version"]), (200, &json!(version)));
        eventually("answers of the new version", async || {
            Ok((answered.load(Ordering::Relaxed) > so_far + 100).then_some(()))
        })
        .await?;
    }
    stop.store(true, Ordering::Relaxed);
    for asker in askers {
        asker.await??;
    }
    assert_eq!(scene.known_to_server().await?, before);
    let plugin = admin.plugin("it").await?;
    assert_eq!(plugin["counts"]["reloads"], RELOADS);
    assert!(plugin["counts"]["messages"].as_u64() >= Some(answered.load(Ordering::Relaxed)));
    let finished = scene.host.stop().await?;
    let complaint = |line: &&test_support::LogLine| line.text.contains("\"WARN\"");
    assert_eq!(finished.log.iter().find(complaint).map(|line| &line.text), None);
    Ok(())
}

#[tokio::test]
async fn what_waits_for_the_old_version_is_handled_by_it() -> Result<()> {
    const COUNT: usize = 20_000;
    let scene = Scene::of("trapper", &["--admin", "127.0.0.1:0"]).await?;
    let admin = Admin::of(&scene.host).await?;
    let mut answers = listen(&scene.client, "answers").await?;
    for number in 0..COUNT {
        if number == COUNT / 2 {
            settle(&scene.client).await?;
            let reload = admin.post("/plugins/it/reload");
            let publish = async {
                for number in COUNT / 2..COUNT {
                    let text = number.to_string();
                    scene.client.publish_with_reply("trapper.in", "answers", text.into()).await?;
                }
                settle(&scene.client).await
            };
            let (reload, publish) = tokio::join!(reload, publish);
            publish?;
            assert_eq!(reload?.status, 200);
            break;
        }
        let text = number.to_string();
        scene.client.publish_with_reply("trapper.in", "answers", text.into()).await?;
    }
    let mut seen = vec![false; COUNT];
    for _ in 0..COUNT {
        let answer = harness::next_text(&mut answers).await?;
        let (_, number) = answer.split_once(' ').context("no number")?;
        let number: usize = number.parse()?;
        assert!(!std::mem::replace(&mut seen[number], true), "{number} twice");
    }
    Ok(())
}

#[tokio::test]
async fn a_broken_new_version_leaves_the_old_one_serving_and_says_why() -> Result<()> {
    let scene = Scene::of("trapper", &["--admin", "127.0.0.1:0"]).await?;
    let address = Admin::of(&scene.host).await?.address.to_string();
    assert_eq!(ask(&scene.client, "trapper.in", "a").await?.payload, "1 a");
    let before = scene.known_to_server().await?;

    replace(&scene.component, b"not wasm")?;
    let refused = program::run_to_end(&["reload", "it", "--admin", &address]).await?;
    assert_has(&told(&refused, 1)?, &["it.wasm", "is not a WebAssembly component"]);
    for (number, (guest, reason)) in [
        ("start-error", "nothing to serve here"),
        ("start-trap", "trap in start"),
        ("job", "command"),
    ]
    .into_iter()
    .enumerate()
    {
        scene.replace(guest)?;
        let refused = program::run_to_end(&["reload", "it", "--admin", &address]).await?;
        assert_has(&told(&refused, 1)?, &[reason]);
        let line = scene.logged("reload failed; the version before serves on", number + 2).await?;
        assert_has(&line, &["\"WARN\"", reason]);
    }
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "2 b");
    assert_eq!(scene.known_to_server().await?, before);

    scene.replace("trapper")?;
    program::output(&["reload", "it", "--admin", &address]).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "c").await?.payload, "1 c");
    assert_eq!(scene.known_to_server().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_changed_file_is_reloaded() -> Result<()> {
    let scene = Scene::of("trapper", &["--watch"]).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "a").await?.payload, "1 a");
    scene.replace("echo")?;
    scene.logged("plugin reloaded", 1).await?;
    // The subscriptions are those of the new version, on the same connection.
    assert_eq!(ask(&scene.client, "echo", "b").await?.payload, "b");
    let asked = scene.client.request("trapper.in", "c".into()).await;
    let error = asked.err().context("the old version answers")?;
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);

    replace(&scene.component, b"half")?;
    scene.logged("reload failed; the version before serves on", 1).await?;
    assert_eq!(ask(&scene.client, "echo", "d").await?.payload, "d");
    scene.replace("trapper")?;
    scene.logged("plugin reloaded", 2).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "e").await?.payload, "1 e");
    Ok(())
}

#[tokio::test]
async fn a_hangup_reloads() -> Result<()> {
    let scene = Scene::of("trapper", &[]).await?;
    let before = scene.known_to_server().await?;
    for count in 1..3 {
        assert_eq!(ask(&scene.client, "trapper.in", "a").await?.payload, "1 a");
        scene.host.signal(Signal::HUP)?;
        scene.logged("plugin reloaded", count).await?;
    }
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "1 b");
    assert_eq!(scene.known_to_server().await?, before);
    Ok(())
}

#[tokio::test]
async fn a_new_version_serves_while_the_old_one_is_stuck() -> Result<()> {
    let scene = Scene::of("spinner", &["--admin", "127.0.0.1:0"]).await?;
    let admin = Admin::of(&scene.host).await?;
    scene.client.publish("spinner.in", "spin".into()).await?;
    settle(&scene.client).await?;
    // The spin ends by its limit on processor time; the new version answers
    // before that.
    let reload = tokio::spawn(async move { admin.post("/plugins/it/reload").await });
    eventually("the new version to serve", async || {
        Ok((admin.plugin("it").await?["version"] == 2).then_some(()))
    })
    .await?;
    assert_eq!(ask(&scene.client, "spinner.in", "?").await?.payload, "still here");
    assert_eq!(reload.await??.status, 200);
    Ok(())
}

#[tokio::test]
async fn what_an_old_version_does_not_work_off_in_time_is_told() -> Result<()> {
    let scene = Scene::of("sleeper", &["--drain-timeout", "300ms"]).await?;
    scene.client.publish("sleeper.in", "60000".into()).await?;
    settle(&scene.client).await?;
    scene.host.signal(Signal::HUP)?;
    let is_event =
        |line: &test_support::LogLine| line.field("limit") == Some(&json!("drain-timeout-ms"));
    let event = scene.host.wait_for_log("the event", is_event).await?;
    assert_eq!(event.field("maximum"), Some(&json!(300)));
    assert_eq!(ask(&scene.client, "sleeper.in", "1").await?.payload, "slept");
    Ok(())
}

#[tokio::test]
async fn a_manifest_is_read_anew() -> Result<()> {
    let server = NatsServer::start().await?;
    let (client, url) = (server.client().await?, server.url());
    let folder = TempDir::new()?;
    let manifest = folder.path().join("plugins.toml");
    let plugin = |name: &str, subject: &str| -> Result<String> {
        let component = guest(name)?;
        Ok(format!(
            "[plugin.{name}]\ncomponent = {component:?}\n\
             permissions.subscribe = [\"{subject}\"]\n"
        ))
    };
    let (echo, trapper) = (plugin("echo", "echo")?, plugin("trapper", "trapper.in")?);
    std::fs::write(&manifest, &echo)?;
    let path = manifest.to_str().context("path")?;
    let host = program::start(&["up", path, "--watch", "--server", &url, "--log-format", "json"])?;
    host.wait_until_ready("echo").await?;

    // One that makes no sense changes nothing.
    replace(&manifest, b"[plugin.echo]\ncomponnt = 1\n")?;
    let not = |line: &test_support::LogLine| line.message() == Some("manifest not reloaded");
    let line = host.wait_for_log("the refusal", not).await?;
    assert_has(&line.text, &["componnt"]);
    assert_eq!(ask(&client, "echo", "a").await?.payload, "a");

    replace(&manifest, [echo, trapper.clone()].concat().as_bytes())?;
    host.wait_until_ready("trapper").await?;
    assert_eq!(ask(&client, "trapper.in", "b").await?.payload, "1 b");
    assert_eq!(ask(&client, "echo", "c").await?.payload, "c");

    std::fs::write(&manifest, &trapper)?;
    host.signal(Signal::HUP)?;
    let gone = |line: &test_support::LogLine| line.message() == Some("plugin stopped");
    let line = host.wait_for_log("the end of echo", gone).await?;
    assert_eq!(line.field("plugin"), Some(&json!("echo")));
    let asked = client.request("echo", "d".into()).await;
    assert!(asked.is_err());
    ask(&client, "trapper.in", "e").await?;
    Ok(())
}
