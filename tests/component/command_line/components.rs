//! Components that can't run: each command tells their author which one, why, and
//! what would be right, in one screen, and ends with code 3.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use test_support::{FakeServer, LogLine, TempDir, guest};

use super::{NOBODY, path};
use crate::program::{self, assert_has, failure, run_to_end};

/// A terminal of the smallest usual size.
const SCREEN_LINES: usize = 24;
const SCREEN_COLUMNS: usize = 80;

/// A component that can't run.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    /// What its author is told.
    told: &'static [&'static str],
    /// It is a component, so there is something to inspect.
    is_component: bool,
}

/// All kinds of them.
fn bad_components() -> Result<Vec<Bad>> {
    let echo = fs::read(guest("echo")?)?;
    let ours = fs::read(guest("raw-handler")?)?;
    let none = |name, bytes: &[u8], told| {
        let bytes = bytes.to_vec();
        Bad { name, bytes, told, is_component: false }
    };
    let component = |name, bytes, told| Bad { name, bytes, told, is_component: true };
    let built = |name, told| Ok::<_, anyhow::Error>(component(name, fs::read(guest(name)?)?, told));
    Ok(vec![
        none("empty", b"", &["it is empty", "wasm32-wasip2"]),
        none("text", b"(component)", &["in text form", "wasm-tools parse"]),
        none("picture", b"\x89PNG\r\n\x1a\n", &["does not begin like one", "wasm32-wasip2"]),
        none("begun", &echo[..6], &["it is cut off"]),
        none("half", &echo[..echo.len() / 2], &["compile", "cut off or damaged"]),
        none(
            "module",
            b"\0asm\x01\0\0\0",
            &["core WebAssembly module", "wasm32-wasip2", "wasm-tools component new"],
        ),
        built(
            "not-a-plugin",
            &["exports only greet", "a plugin exports simple-nats:client/lifecycle@0.1.0"],
        )?,
        built("half-world", &["and not simple-nats:client/handler@0.1.0"])?,
        built("newer-world", &["version 0.2.0", "knows only 0.1.0", "update this host"])?,
        component(
            "older",
            of_version(&ours, b"@0.0.9"),
            &["version 0.0.9", "knows only 0.1.0", "build the component anew"],
        ),
        built(
            "unknown-import",
            &["acme:store/kv@1.0.0", "acme:store/lock@1.0.0", "it provides simple-nats:client@0.1"],
        )?,
        built("other-functions", &["does not fit", "simple-nats:client", "build it anew"])?,
    ])
}

/// A component of ours, as if made for another version of the contract.
fn of_version(ours: &[u8], version: &[u8; 6]) -> Vec<u8> {
    let mut other = ours.to_vec();
    for at in 0..ours.len().saturating_sub(6) {
        if &ours[at..at + 6] == b"@0.1.0" {
            other[at..at + 6].copy_from_slice(version);
        }
    }
    other
}

/// The files of bad components.
fn written(bad: &[Bad]) -> Result<TempDir> {
    let folder = TempDir::new()?;
    for Bad { name, bytes, .. } in bad {
        fs::write(folder.path().join(name).with_extension("wasm"), bytes)?;
    }
    Ok(folder)
}

fn file(folder: &TempDir, bad: &Bad) -> String {
    folder.path().join(bad.name).with_extension("wasm").display().to_string()
}

/// Asserts that a text names the file of a component and what there is to tell of it,
/// in one screen.
#[track_caller]
fn assert_tells(text: &str, bad: &Bad) {
    assert_has(text, &[&format!("{}.wasm", bad.name)]);
    assert_has(text, bad.told);
    let rows: usize = text.lines().map(|line| line.chars().count().div_ceil(SCREEN_COLUMNS)).sum();
    assert!(rows < SCREEN_LINES, "{rows} lines: {text}");
}

#[tokio::test]
async fn run_tells_what_is_wrong_in_one_line() -> Result<()> {
    let bad = bad_components()?;
    let folder = written(&bad)?;
    for bad in &bad {
        assert_tells(&failure(3, &["run", &file(&folder, bad)]).await?, bad);
    }
    Ok(())
}

#[tokio::test]
async fn inspect_tells_what_is_wrong_below_what_there_is() -> Result<()> {
    let bad = bad_components()?;
    let folder = written(&bad)?;
    for bad in &bad {
        let file = file(&folder, bad);
        if !bad.is_component {
            assert_tells(&failure(3, &["inspect", &file]).await?, bad);
            continue;
        }
        let text = run_to_end(&["inspect", &file]).await?;
        assert_eq!(text.status.code(), Some(3), "{}", bad.name);
        assert!(text.log.is_empty(), "{:#?}", text.log);
        let verdict = text.stdout.last().context("no verdict")?;
        assert_has(verdict, &["verdict  does not run here: "]);
        assert_tells(verdict, bad);

        let json = run_to_end(&["inspect", "--json", &file]).await?;
        assert_eq!(json.status.code(), Some(3), "{}", bad.name);
        let report: Value = serde_json::from_str(&json.stdout.join(""))?;
        assert_eq!(report["runs_here"], false);
        assert_tells(report["problem"].as_str().unwrap_or_default(), bad);
    }
    Ok(())
}

/// A manifest of bad components, which are built by doing nothing.
fn manifest(folder: &Path, bad: &[Bad]) -> Result<String> {
    let mut text = "[dev]\nbuild = \"true\"\nwatch = []\n".to_owned();
    for Bad { name, .. } in bad {
        text.push_str(&format!("[plugin.{name}]\ncomponent = \"{name}.wasm\"\n"));
    }
    let manifest = folder.join("plugins.toml");
    fs::write(&manifest, text)?;
    Ok(manifest.display().to_string())
}

#[tokio::test]
async fn check_tells_what_is_wrong_with_each() -> Result<()> {
    let bad = bad_components()?;
    let folder = written(&bad)?;
    let checked = run_to_end(&["check", &manifest(folder.path(), &bad)?]).await?;
    assert_eq!(checked.status.code(), Some(3));
    assert_eq!(checked.stdout.len(), bad.len(), "{:#?}", checked.stdout);
    for (line, bad) in checked.stdout.iter().zip(&bad) {
        assert_has(line, &[&format!("{}: does not run here: ", bad.name)]);
        assert_tells(line, bad);
    }
    Ok(())
}

/// What the log says of a plugin that was not started.
fn not_started<'a>(log: &'a [LogLine], name: &str) -> Result<&'a str> {
    let is_it = |line: &&LogLine| {
        line.message() == Some("plugin not started") && line.field("plugin") == Some(&name.into())
    };
    let line = log.iter().find(is_it).with_context(|| format!("nothing of {name}: {log:#?}"))?;
    line.field("error").and_then(Value::as_str).context("no reason")
}

#[tokio::test]
async fn up_and_dev_tell_what_is_wrong_with_each() -> Result<()> {
    let bad = bad_components()?;
    let folder = written(&bad)?;
    let manifest = manifest(folder.path(), &bad)?;
    // Nothing is connected to, so there need be no server.
    let up = run_to_end(&["up", &manifest, "--server", NOBODY]).await?;
    assert_tells(&program::told(&up, 3)?, &bad[0]);

    let dev = program::start(&["dev", &manifest, "--server", NOBODY])?;
    let last = bad.last().context("none")?.name;
    dev.wait_for_log("the last one", |line| not_started(std::slice::from_ref(line), last).is_ok())
        .await?;
    let dev = dev.stop().await?;
    assert_eq!(dev.status.code(), Some(3));
    for log in [&up.log, &dev.log] {
        for bad in &bad {
            assert_tells(not_started(log, bad.name)?, bad);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_file_is_named() -> Result<()> {
    for command in ["run", "inspect"] {
        let reason = failure(3, &[command, "no-such-file.wasm"]).await?;
        assert_has(&reason, &["no-such-file.wasm", "No such file"]);
    }
    Ok(())
}

#[tokio::test]
async fn one_bad_component_of_several_keeps_all_from_starting() -> Result<()> {
    let server = FakeServer::start().await?;
    let (good, bad) = (path("echo")?, path("half-world")?);
    failure(3, &["run", "-A", "--server", &server.url(), &good, &bad]).await?;
    // Refused before connecting: the test's own connection is the first.
    let own = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await?;
    let mut first = server.accept().await?;
    drop(own);
    first.expect_closed().await
}
