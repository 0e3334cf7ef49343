//! The program as a person in a shell sees it: arguments in; exit code, output
//! and error lines out.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use test_support::{Finished, HostProcess, Lines, nats_server_binary, within};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::BINARY;

/// The program with these arguments, and none of what the caller's environment
/// would tell it, except that backtraces are wanted: so one that must not be
/// there would be seen.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env("RUST_BACKTRACE", "1").env("NATS_SERVER_BIN", nats_server_binary());
    command.env_remove("NATS_URL").env_remove("SIMPLE_NATS_LOG");
    command
}

/// Starts the program.
pub(crate) fn start(args: &[&str]) -> Result<HostProcess> {
    HostProcess::spawn(command(args))
}

/// Runs the program to its end.
pub(crate) async fn run_to_end(args: &[&str]) -> Result<Finished> {
    start(args)?.wait().await
}

/// Runs the program, which must succeed and complain of nothing.
pub(crate) async fn output(args: &[&str]) -> Result<Vec<String>> {
    let finished = run_to_end(args).await?;
    ensure!(finished.status.success(), "{args:?}: {:#?}", finished.log);
    Ok(finished.stdout)
}

/// The same, with this on its standard input.
pub(crate) async fn output_for(input: &[u8], args: &[&str]) -> Result<String> {
    let mut command = command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(input).await?;
    drop(stdin);
    let output = within("the program to end", child.wait_with_output()).await??;
    ensure!(output.status.success(), "{args:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs the program, which must fail with this exit code and say so in one line:
/// the answer.
pub(crate) async fn failure(code: i32, args: &[&str]) -> Result<String> {
    let finished = run_to_end(args).await?;
    match &finished.log[..] {
        [only] => told(&finished, code).with_context(|| only.text.clone()),
        log => bail!("{args:?}: not one line: {log:#?}"),
    }
}

/// The reason that a program gave which has failed with this exit code: its last
/// line.
pub(crate) fn told(finished: &Finished, code: i32) -> Result<String> {
    let last = finished.log.last().context("no reason given")?;
    ensure!(finished.status.code() == Some(code), "{}: {}", finished.status, last.text);
    let reason = last.text.strip_prefix("error: ").context("the last line is no error")?;
    ensure!(!finished.log.iter().any(|line| line.text.contains("wasmtime::")), "{reason}");
    Ok(reason.to_owned())
}

/// The first message of a log in JSON, after the first `passed` lines, that begins
/// with one of these.
pub(crate) async fn message(log: &Lines, passed: usize, starts: &[&str]) -> Result<String> {
    let find = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line.get("message")?.as_str()?;
        starts.iter().any(|start| message.starts_with(start)).then(|| message.to_owned())
    };
    log.wait_from(passed, starts.first().copied().unwrap_or_default(), find).await
}

/// What a command's `main` returned as its error.
pub(crate) fn printed_error(finished: &Finished) -> Result<String> {
    let lines = finished.log.iter().map(|line| &line.text);
    let mut errors = lines.filter(|text| text.starts_with("Error: "));
    errors.next().cloned().with_context(|| format!("no error in {:#?}", finished.log))
}

/// Asserts that a text has all these parts.
#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}
