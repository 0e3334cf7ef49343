//! The same plugin in other languages: it answers, publishes, and tells what
//! went wrong and where. Where a language's tools are missing, its guest is too,
//! and its tests say so.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use test_support::{Finished, HostProcess, LogLine, NatsServer, guest};

use crate::harness::{Scene, listen, next_text};
use crate::program::{self, assert_has};

const SUBSCRIBE: [&str; 4] = ["--allow-subscribe", "rpc.sum", "--allow-queue-group", "workers"];
const PUBLISH: [&str; 2] = ["--allow-publish", "rpc.sum.done"];

/// Whether a guest was built. It is compiled here, since the first compilation of
/// a large one takes longer than a start may.
async fn is_there(name: &str) -> Result<bool> {
    const ONE_COMPILATION: Duration = Duration::from_secs(300);
    let Ok(component) = guest(name) else {
        #[expect(clippy::print_stdout, reason = "who reads the results is to know")]
        {
            println!("{name}: skipped, the tools of its language are missing");
        }
        return Ok(false);
    };
    let mut inspect = program::command(&["inspect", &component.display().to_string()]);
    let inspect = inspect.kill_on_drop(true).output();
    let output = tokio::time::timeout(ONE_COMPILATION, inspect).await.context("compiling")??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(true)
}

/// The worker of sums may answer, and nothing else unless it is allowed; what it
/// can't add costs nobody else anything.
async fn adds_and_tells_what_it_cannot_add(name: &str) -> Result<()> {
    if !is_there(name).await? {
        return Ok(());
    }
    let scene = Scene::with(&[name], &SUBSCRIBE).await?;
    let mut done = listen(&scene.client, "rpc.sum.done").await?;
    assert_eq!(ask(&scene, "1 2 3").await?.payload, "6");
    let refused = scene.host.wait_for_log("the refusal", refusal).await?;
    assert!(refused.text.contains("rpc.sum.done"), "{}", refused.text);
    scene.host.stop().await?;

    let scene = Scene::on(scene.server, &[name], &[&SUBSCRIBE[..], &PUBLISH].concat()).await?;
    for (call, sum) in [("1 2 3", "6"), ("-4", "-4"), (" 20\n 22 ", "42")] {
        assert_eq!(ask(&scene, call).await?.payload, sum);
        assert_eq!(next_text(&mut done).await?, sum);
    }

    // The bytes are no text in any language.
    for call in [&b"1 two 3"[..], b"\xff\xc0\x80"] {
        let answer = ask(&scene, call).await?;
        let headers = answer.headers.context("no headers")?;
        let code = headers.get("Nats-Service-Error-Code").context("no code")?;
        assert_eq!((code.as_str(), &answer.payload[..]), ("500", &b""[..]));
        let reason = headers.get("Nats-Service-Error").context("no reason")?.as_str();
        assert!(!call.starts_with(b"1") || reason.contains("two"), "{reason}");
        assert_eq!(ask(&scene, "40 2").await?.payload, "42");
    }
    let finished = scene.host.stop().await?;
    ensure!(finished.status.success(), "{:?}", finished.status);
    let started = |line: &&LogLine| line.message() == Some("rpc-worker answers on rpc.sum");
    assert_eq!(finished.log.iter().filter(started).count(), 1, "one instance did all");
    Ok(())
}

fn refusal(line: &LogLine) -> bool {
    line.json["level"] == "WARN" && line.text.contains("--allow-publish")
}

async fn ask(scene: &Scene, call: impl AsRef<[u8]>) -> Result<async_nats::Message> {
    let call = call.as_ref().to_vec().into();
    Ok(test_support::within("an answer", scene.client.request("rpc.sum", call)).await??)
}

#[tokio::test]
async fn a_worker_in_rust_adds_and_tells_what_it_cannot_add() -> Result<()> {
    adds_and_tells_what_it_cannot_add("sum").await
}

#[tokio::test]
async fn a_worker_in_javascript_adds_and_tells_what_it_cannot_add() -> Result<()> {
    adds_and_tells_what_it_cannot_add("rpc-worker-javascript").await
}

#[tokio::test]
async fn a_worker_in_python_adds_and_tells_what_it_cannot_add() -> Result<()> {
    adds_and_tells_what_it_cannot_add("rpc-worker-python").await
}

#[tokio::test]
async fn a_worker_in_c_adds_and_tells_what_it_cannot_add() -> Result<()> {
    adds_and_tells_what_it_cannot_add("rpc-worker-c").await
}

#[tokio::test]
async fn a_worker_in_go_adds_and_tells_what_it_cannot_add() -> Result<()> {
    adds_and_tells_what_it_cannot_add("rpc-worker-go").await
}

#[tokio::test]
async fn a_long_first_compilation_is_announced_and_the_next_start_has_none() -> Result<()> {
    let name = "rpc-worker-python";
    if !is_there(name).await? {
        return Ok(());
    }
    let announced = |line: &LogLine| line.text.contains("compiling ");
    let component = guest(name)?.display().to_string();
    let empty = test_support::TempDir::new()?;
    let mut first = program::command(&["run", &component, "--server", "127.0.0.1:1"]);
    first.env("XDG_CACHE_HOME", empty.path()).env("HOME", empty.path());
    let first = HostProcess::spawn(first)?;
    first.wait_for_log("what takes so long", announced).await?;
    first.kill().await?;

    let next = program::start(&["run", &component, "--server", "127.0.0.1:1"])?.wait().await?;
    assert!(!next.log.iter().any(announced), "{:#?}", next.log);
    Ok(())
}

/// Makes a worker fail in a callback; answers what it then wrote to the log, line by
/// line.
async fn failure_of(name: &str) -> Result<Option<Vec<String>>> {
    if !is_there(name).await? {
        return Ok(None);
    }
    let scene = Scene::with(&[name], &[&SUBSCRIBE[..], &PUBLISH].concat()).await?;
    ask(&scene, "1 two 3").await?;
    Ok(Some(printed(&scene.host.stop().await?)))
}

/// The same for one that fails in its `start`, since it may not subscribe.
async fn failure_at_start_of(name: &str) -> Result<Option<Vec<String>>> {
    if !is_there(name).await? {
        return Ok(None);
    }
    let server = NatsServer::start().await?;
    let (component, url) = (guest(name)?.display().to_string(), server.url());
    let failed = program::start(&["run", &component, "--server", &url])?.wait().await?;
    let reason = program::told(&failed, 1)?;
    assert_has(&reason, &[name, "start failed", "--allow-subscribe 'rpc.sum'"]);
    assert!(failed.log.len() <= ONE_SCREEN, "{:#?}", failed.log);
    Ok(Some(printed(&failed)))
}

fn printed(finished: &Finished) -> Vec<String> {
    let lines = finished.log.iter().filter(|line| line.json["stream"] == "stderr");
    lines.filter_map(|line| line.message().map(str::to_owned)).collect()
}

/// More than that scrolls the beginning out of a terminal.
const ONE_SCREEN: usize = 24;

/// Asserts that an error is told with all of this, in one screen.
#[track_caller]
fn assert_shown(lines: &[String], parts: &[&str]) {
    assert_has(&lines.join("\n"), parts);
    assert!(lines.len() <= ONE_SCREEN, "{lines:#?}");
}

#[tokio::test]
async fn a_javascript_error_is_logged_with_its_stack_in_one_screen() -> Result<()> {
    let name = "rpc-worker-javascript";
    let Some(lines) = failure_of(name).await? else { return Ok(()) };
    assert_shown(&lines, &["\"two\" is no integer", "sum.js", "worker.js"]);
    let Some(lines) = failure_at_start_of(name).await? else { return Ok(()) };
    assert_shown(&lines, &["permission-denied", "rpc.sum", "simple-nats.js", "worker.js"]);
    Ok(())
}

#[tokio::test]
async fn a_python_exception_is_logged_with_its_traceback_in_one_screen() -> Result<()> {
    let name = "rpc-worker-python";
    let Some(lines) = failure_of(name).await? else { return Ok(()) };
    // The line of the source is there too.
    assert_shown(&lines, &["ValueError", "sums.py", "worker.py", "return sum("]);
    let Some(lines) = failure_at_start_of(name).await? else { return Ok(()) };
    assert_shown(&lines, &["permission-denied", "rpc.sum", "simple_nats.py", "worker.py"]);
    Ok(())
}
