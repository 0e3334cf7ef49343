//! A log that nobody reads: the plugins go on, and the lines that are lost are counted.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use test_support::{NatsServer, guest, within};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use crate::program;
use crate::second::ask;

/// One message's worth of lines, and how many such messages: with a pipe of 64 KiB
/// and what the host keeps, most of it finds no place.
const LINES_BYTES: usize = 500_000;
const MESSAGES: usize = 24;

/// A host with two plugins, one that prints and one that answers, whose log is
/// taken by the caller, or not.
async fn host(server: &NatsServer) -> Result<Child> {
    let (printing, echo) = (guest("stdout")?, guest("echo")?);
    let (printing, echo, url) = (printing.to_string_lossy(), echo.to_string_lossy(), server.url());
    let no_limit =
        ["--max-log-lines-per-second", "100000000", "--max-log-bytes-per-second", "1GiB"];
    let args = ["run", &printing, &echo, "-A", "--server", &url, "--log-format", "json"];
    let mut command = program::command(&[&args[..], &no_limit].concat());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn()?;
    for subject in ["stdout.out", "echo"] {
        let listens = |page: &serde_json::Value| page.to_string().contains(subject).then_some(());
        server.wait_for(&format!("a subscription to {subject}"), listens).await?;
    }
    Ok(child)
}

/// Reads lines up to the one that tells how many were lost.
async fn read_to_loss(log: impl AsyncRead + Unpin) -> Result<u64> {
    let mut lines = BufReader::new(log).lines();
    loop {
        let line = within("a line", lines.next_line()).await??.context("the log has ended")?;
        let line: serde_json::Value = serde_json::from_str(&line).context(line)?;
        if line["message"].as_str().is_some_and(|text| text.starts_with("log lines lost")) {
            return line["lines"].as_u64().context("no number");
        }
    }
}

#[tokio::test]
async fn plugins_go_on_and_what_is_lost_is_counted() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut host = host(&server).await?;
    let lines = "a line that nobody reads\n".repeat(LINES_BYTES / 25);
    for _ in 0..MESSAGES {
        assert_eq!(ask(&client, "stdout.out", &lines).await?.payload, "printed");
        assert_eq!(ask(&client, "echo", "still there?").await?.payload, "still there?");
    }
    // Once somebody reads, the log goes on.
    let lost = read_to_loss(host.stderr.take().context("no log")?).await?;
    ensure!(lost > 1_000, "{lost}");
    Ok(())
}

#[tokio::test]
async fn host_ends_although_nobody_reads() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut host = host(&server).await?;
    let lines = "a line that nobody reads\n".repeat(LINES_BYTES / 25);
    assert_eq!(ask(&client, "stdout.out", &lines).await?.payload, "printed");
    let pid = host.id().context("it has ended")?;
    let begin = Instant::now();
    let killed = tokio::process::Command::new("kill").arg(pid.to_string()).status().await?;
    ensure!(killed.success());
    let status = within("the host to end", host.wait()).await??;
    ensure!(status.success(), "{status}");
    ensure!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    Ok(())
}
