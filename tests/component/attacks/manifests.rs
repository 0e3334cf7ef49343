//! Manifests that make no sense, or too much of it.

use std::fmt::Write;

use anyhow::Result;
use test_support::{NatsServer, TempDir, guest};

use crate::arena::turn;
use crate::program::{assert_has, run_to_end, start, told};

/// How deep things are in each other.
const DEPTH: usize = 100_000;

/// Writes a manifest, which is refused for this reason.
async fn is_refused(text: impl AsRef<[u8]>, reason: &[&str]) -> Result<()> {
    let _turn = turn().await;
    let folder = TempDir::new()?;
    let path = folder.path().join("plugins.toml");
    std::fs::write(&path, text)?;
    let path = path.display().to_string();
    for command in ["check", "up"] {
        let finished = run_to_end(&[command, &path]).await?;
        assert_has(&told(&finished, 2)?, reason);
        let lines = finished.log.len();
        assert!(lines < 2_000, "{lines} lines");
        let steers = |line: &test_support::LogLine| line.text.contains(char::is_control);
        assert!(!finished.log.iter().any(steers), "{:#?}", finished.log);
    }
    Ok(())
}

#[tokio::test]
async fn values_within_values_are_refused() -> Result<()> {
    let nested = |begin: &str, end: &str| {
        let (begin, end) = (begin.repeat(DEPTH), end.repeat(DEPTH));
        format!("plugin = {begin}1{end}\n")
    };
    is_refused(nested("[", "]"), &["recurs"]).await?;
    is_refused(nested("{ a = ", " }"), &["recurs"]).await
}

#[tokio::test]
async fn keys_within_keys_are_refused() -> Result<()> {
    let keys = "a.".repeat(DEPTH);
    is_refused(format!("{keys}a = 1\n"), &["recursion"]).await?;
    is_refused(format!("[{keys}a]\n"), &["recursion"]).await?;
    is_refused(format!("plugin.a.config.{keys}a = 'x'\n"), &["recursion"]).await
}

#[tokio::test]
async fn mistakes_without_number_are_counted_and_not_all_told() -> Result<()> {
    let mut text = String::new();
    for number in 0..30_000 {
        writeln!(text, "key-{number} = 1")?;
    }
    is_refused(text, &["and 29000 more mistakes"]).await
}

#[tokio::test]
async fn what_is_no_text_is_refused() -> Result<()> {
    is_refused(b"\xff\xfe\0", &["UTF-8"]).await?;
    is_refused("[plugin.a]\ncomponent = 'a\0b'\n", &["plugins.toml:2:"]).await
}

#[tokio::test]
async fn device_that_never_ends_is_no_manifest() -> Result<()> {
    let _turn = turn().await;
    let finished = run_to_end(&["check", "/dev/zero"]).await?;
    assert_has(&told(&finished, 2)?, &["/dev/zero", "more than"]);
    Ok(())
}

#[tokio::test]
async fn names_that_steer_a_terminal_are_written_out() -> Result<()> {
    is_refused("\"\\u001b[2J\\nerror: forged\" = 1\n", &["unknown key", "forged"]).await?;
    is_refused(
        "[plugin.a]\ncomponent = \"\\u001b[2J\\nerror: forged\"\n",
        &["forged", "No such file"],
    )
    .await
}

#[tokio::test]
async fn numbers_that_no_machine_has_are_refused() -> Result<()> {
    let component = guest("echo")?;
    for limit in [
        "max-memory = '99999999999999999999 GiB'",
        "max-memory = '99999999999 GiB'",
        "max-timers = -1",
        "max-timers = 1e400",
        "max-timers = 99999999999999999999",
        "callback-timeout = '99999999999999999999y'",
        "callback-timeout = '-1s'",
        "callback-timeout = '0s'",
    ] {
        let key = limit.split(' ').next().unwrap_or_default();
        let text = format!("[plugin.a]\ncomponent = {component:?}\nlimits.{limit}\n");
        is_refused(text, &["plugins.toml:3:", key]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn largest_numbers_that_can_be_written_are_no_limits() -> Result<()> {
    let _turn = turn().await;
    let (server, folder, echo) = (NatsServer::start().await?, TempDir::new()?, guest("echo")?);
    let path = folder.path().join("plugins.toml");
    let (size, time, count) = ("17179869183 GiB", "500000000000y", "9223372036854775807");
    let mut text = format!(
        "[plugin.echo]\ncomponent = {echo:?}\npermissions.subscribe = ['echo']\n[plugin.echo.limits]\n"
    );
    for key in ["max-memory", "max-request-bytes", "max-pending-bytes", "max-log-bytes-per-second"]
    {
        writeln!(text, "{key} = '{size}'")?;
    }
    for key in ["start-timeout", "callback-timeout", "callback-cpu-time", "failure-window"] {
        writeln!(text, "{key} = '{time}'")?;
    }
    for key in ["max-timers", "max-subscriptions", "max-publish-messages-per-second"] {
        writeln!(text, "{key} = {count}")?;
    }
    std::fs::write(&path, text)?;
    let (path, url) = (path.display().to_string(), server.url());
    let host = start(&["up", &path, "--server", &url, "--log-format", "json"])?;
    host.wait_until_ready("echo").await?;
    let client = server.client().await?;
    assert_eq!(crate::second::ask(&client, "echo", "x").await?.payload, "x");
    assert!(host.stop().await?.status.success());
    Ok(())
}
