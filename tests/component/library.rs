//! The host as a library: plugins that come, go and fail while it runs.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

#[allow(dead_code, reason = "its `main` is for who runs it as a program")]
#[path = "../../host/examples/embed.rs"]
mod embed;
mod embedded;
mod second;

use std::time::Duration;

use anyhow::{Context, Result};
use embedded::{Embedded, settings};
use second::{ask, service_error, settle};
use simple_nats::plugin::{ComponentSource, PluginStatus, StartError};
use test_support::{eventually, within};

const DEADLINE: Duration = Duration::from_secs(10);

/// Pages about the library, each with the program that its examples are part of.
const PAGES: [(&str, &str, &str); 2] = [
    (
        "docs/embedding.md",
        include_str!("../../docs/embedding.md"),
        include_str!("../../host/examples/embed.rs"),
    ),
    (
        "docs/testing.md",
        include_str!("../../docs/testing.md"),
        include_str!("../../examples/rpc-caller/tests/calls.rs"),
    ),
];

#[test]
fn examples_of_the_documentation_are_part_of_programs_that_are_run() {
    let lines_of = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    for (name, page, program) in PAGES {
        let program = lines_of(program);
        let examples: Vec<_> = page.split("```rust\n").skip(1).collect();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            let (example, _) = example.split_once("```").unwrap_or((example, ""));
            let example = lines_of(example);
            let is_there = program.windows(example.len()).any(|lines| lines == example);
            assert!(is_there, "{name}: not in its program: {example:#?}");
        }
    }
}

fn is_quarantined(status: &PluginStatus) -> bool {
    matches!(status, PluginStatus::Quarantined { .. })
}

#[tokio::test]
async fn plugins_are_added_and_removed_while_the_host_runs() -> Result<()> {
    let scene = Embedded::start().await?;
    scene.host.add(settings("echo")?, scene.connection()?).await?;
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    scene.host.add(settings("trapper")?, scene.connection()?).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "1 b");
    let names: Vec<_> = scene.host.plugins().iter().map(|one| one.name().to_owned()).collect();
    assert_eq!(names, ["echo", "trapper"]);

    assert_eq!(scene.host.remove("echo", DEADLINE).await, Some(true));
    assert_eq!(scene.host.remove("echo", DEADLINE).await, None);
    assert!(scene.host.plugin("echo").is_none());
    scene.observed("echo", "stopped").await?;
    // Its subscription has ended: the server knows nobody.
    let error = scene.client.request("echo", "c".into()).await.err().context("an answer")?;
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);
    assert_eq!(ask(&scene.client, "trapper.in", "d").await?.payload, "2 d");

    scene.host.add(settings("echo")?, scene.connection()?).await?;
    assert_eq!(ask(&scene.client, "echo", "e").await?.payload, "e");
    assert!(scene.host.stop(DEADLINE).await);
    Ok(())
}

#[tokio::test]
async fn a_name_is_taken_once() -> Result<()> {
    let scene = Embedded::start().await?;
    scene.host.add(settings("echo")?, scene.connection()?).await?;
    let twice = scene.host.add(settings("echo")?, scene.connection()?).await;
    assert!(matches!(twice, Err(StartError::NameTaken(name)) if name == "echo"));
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_can_not_start_is_quarantined_until_it_is_reloaded() -> Result<()> {
    let scene = Embedded::start().await?;
    let failed = scene.host.add(settings("start-error")?, scene.connection()?).await;
    let reason = failed.err().context("it started")?.to_string();
    assert_eq!(reason, "plugin start-error: start failed: nothing to serve here");
    let plugin = scene.host.plugin("start-error").context("it is not in the list")?;
    assert_eq!(plugin.status(), PluginStatus::Quarantined { reason: reason.clone() });
    assert!(scene.observed("start-error", "start-failed").await?.contains(&reason));
    assert_eq!(plugin.info().counts.failed_starts, 1);

    plugin.replace(settings("echo")?, scene.connection()?).await?;
    assert_eq!(plugin.status(), PluginStatus::Serving);
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_quarantined_and_the_others_serve() -> Result<()> {
    let scene = Embedded::start().await?;
    let mut trapper = settings("trapper")?;
    trapper.limits.max_failures = 2;
    let trapper = scene.host.add(trapper, scene.connection()?).await?;
    scene.host.add(settings("echo")?, scene.connection()?).await?;
    for _ in 0..3 {
        let error = ask(&scene.client, "trapper.in", "trap").await?;
        assert!(service_error(&error).is_some());
    }
    let reason = within("the quarantine", trapper.quarantined()).await?;
    assert!(reason.contains("trap in") && reason.contains("unreachable"), "{reason}");
    let event = scene.observed("trapper", "quarantined").await?;
    assert!(event.contains("failures: 3") && event.contains("window: 60s"), "{event}");
    scene.observed("trapper", "backing-off").await?;
    eventually("its subscription to end", async || {
        let asked = scene.client.request("trapper.in", "a".into()).await;
        let kind = asked.err().map(|error| error.kind());
        Ok((kind == Some(async_nats::RequestErrorKind::NoResponders)).then_some(()))
    })
    .await?;
    assert_eq!(ask(&scene.client, "echo", "a").await?.payload, "a");
    let counts = trapper.info().counts;
    assert_eq!((counts.traps, counts.quarantines, counts.started_instances), (3, 1, 3));

    trapper.restart().await?;
    assert_eq!(trapper.status(), PluginStatus::Serving);
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "1 b");
    // What was counted before stays.
    assert_eq!(trapper.info().counts.traps, 3);
    Ok(())
}

#[tokio::test]
async fn a_failed_reload_changes_nothing_and_says_why() -> Result<()> {
    let scene = Embedded::start().await?;
    let plugin = scene.host.add(settings("trapper")?, scene.connection()?).await?;
    assert_eq!(ask(&scene.client, "trapper.in", "a").await?.payload, "1 a");

    let mut broken = settings("trapper")?;
    broken.component = ComponentSource::Bytes(b"no component"[..].into());
    let error = plugin.replace(broken, scene.connection()?).await.err().context("it loaded")?;
    assert!(matches!(error, StartError::Load(_)), "{error}");
    let error = plugin.replace(settings("start-trap")?, scene.connection()?).await;
    let error = error.err().context("it started")?.to_string();
    assert!(error.contains("trap in start"), "{error}");
    scene.observed("trapper", "reload-failed").await?;

    assert_eq!(plugin.status(), PluginStatus::Serving);
    assert_eq!(ask(&scene.client, "trapper.in", "b").await?.payload, "2 b");
    assert_eq!(plugin.info().counts.failed_reloads, 2);
    // A later reload is of what served, not of what failed.
    plugin.reload().await?;
    assert_eq!(ask(&scene.client, "trapper.in", "c").await?.payload, "1 c");
    Ok(())
}

#[tokio::test]
async fn a_drained_plugin_has_handled_everything_and_can_be_restarted() -> Result<()> {
    const COUNT: u64 = 5_000;
    let scene = Embedded::start().await?;
    let mut stopped = second::listen(&scene.client, "stopper.stopped").await?;
    let plugin = scene.host.add(settings("stopper")?, scene.connection()?).await?;
    for _ in 0..COUNT {
        scene.client.publish("stopper.in", "".into()).await?;
    }
    settle(&scene.client).await?;
    assert!(plugin.drain(DEADLINE).await);
    let told = within("what stop publishes", futures_util::StreamExt::next(&mut stopped)).await?;
    assert_eq!(told.context("no message")?.payload, COUNT.to_string());
    assert_eq!(plugin.status(), PluginStatus::Stopped);
    assert_eq!(plugin.info().counts.messages, COUNT);
    eventually("its connection to end", async || {
        Ok(plugin.info().connections.is_empty().then_some(()))
    })
    .await?;

    plugin.restart().await?;
    assert_eq!(plugin.status(), PluginStatus::Serving);
    assert!(!is_quarantined(&plugin.status()));
    Ok(())
}

#[tokio::test]
async fn what_a_guest_is_refused_is_observed_and_counted() -> Result<()> {
    let scene = Embedded::start().await?;
    let mut echo = settings("echo")?;
    echo.policy = simple_nats::policy::Policy::deny_all();
    let failed = scene.host.add(echo, scene.connection()?).await;
    assert!(failed.is_err());
    let event = scene.observed("echo", "refused").await?;
    assert!(event.contains("subscribing to") && event.contains("echo"), "{event}");
    let plugin = scene.host.plugin("echo").context("it is not in the list")?;
    assert_eq!(plugin.info().counts.refusals, 1);
    Ok(())
}

#[tokio::test]
async fn the_example_serves_until_it_is_stopped() -> Result<()> {
    let server = test_support::NatsServer::start().await?;
    let client = server.client().await?;
    let (url, file) = (server.url(), test_support::guest("echo")?);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stopped = async { stopped.await.map_err(std::io::Error::other) };
    let file = file.to_string_lossy();
    let serving = embed::serve(&url, &file, stopped);
    let asking = async {
        server.wait_for("echo", |page| page.to_string().contains("\"echo\"").then_some(())).await?;
        assert_eq!(ask(&client, "echo", "a").await?.payload, "a");
        stop.send(()).ok().context("it has ended")
    };
    let (served, asked) = tokio::join!(serving, asking);
    asked?;
    served
}
