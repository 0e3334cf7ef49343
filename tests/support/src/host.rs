//! The host binary as a child process: its log, its exit status, its end.

use std::{ffi::OsStr, path::Path, process::ExitStatus};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    lines::Lines,
    process::{Process, Signal},
    usage::Usage,
};

/// A running host. Dropping it kills it.
#[derive(Debug)]
pub struct HostProcess {
    process: Process,
}

/// What is left of a host that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<String>,
    /// Its log.
    pub log: Vec<LogLine>,
}

/// One line of a host's log.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The line as written.
    pub text: String,
    /// The line as JSON, `null` where it is none.
    pub json: Value,
}

impl HostProcess {
    /// Starts the binary, `env!("CARGO_BIN_EXE_simple-nats")` for a test of its
    /// package, with these arguments.
    pub fn start<A: AsRef<OsStr>>(
        binary: impl AsRef<Path>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let mut command = Command::new(binary.as_ref());
        command.args(args);
        Self::spawn(command)
    }

    /// Starts a command that needs more than arguments: environment, folder.
    pub fn spawn(command: Command) -> Result<Self> {
        Ok(Self { process: Process::spawn(command)? })
    }

    /// Its standard output.
    pub fn stdout(&self) -> &Lines {
        self.process.stdout()
    }

    /// Its log as plain lines.
    pub fn log(&self) -> &Lines {
        self.process.stderr()
    }

    /// Waits for a line of the log, past ones included.
    pub async fn wait_for_log(
        &self,
        what: &str,
        mut accept: impl FnMut(&LogLine) -> bool,
    ) -> Result<LogLine> {
        let find = |line: &str| Some(LogLine::parse(line)).filter(&mut accept);
        self.log().wait_for(what, find).await
    }

    /// Waits until the plugin `name` has started.
    pub async fn wait_until_ready(&self, name: &str) -> Result<()> {
        self.wait_for_log(&format!("plugin {name} to be ready"), |line| {
            line.message() == Some("plugin ready") && line.field("plugin") == Some(&name.into())
        })
        .await?;
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        self.process.pid()
    }

    /// How much memory it has resident, as Linux counts it.
    pub fn resident_bytes(&self) -> Result<u64> {
        Ok(Usage::of(self.pid()?)?.resident_bytes)
    }

    /// The same without files, and with what it has mapped in several places shared out
    /// between them.
    pub fn distinct_bytes(&self) -> Result<u64> {
        Ok(Usage::of(self.pid()?)?.distinct_bytes)
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.pid()?);
        Ok(std::fs::read_dir(&path).with_context(|| format!("read {path}"))?.count())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub async fn stop(self) -> Result<Finished> {
        self.signal(Signal::TERM)?;
        self.wait().await
    }

    /// Waits until it ends by itself.
    pub async fn wait(mut self) -> Result<Finished> {
        let status = self.process.wait().await?;
        let log = self.log().to_end().await?.iter().map(|line| LogLine::parse(line)).collect();
        Ok(Finished { status, stdout: self.stdout().to_end().await?, log })
    }

    /// Ends it as a crash would.
    pub async fn kill(mut self) -> Result<()> {
        self.process.kill().await
    }
}

impl LogLine {
    /// What the line says, without its fields.
    pub fn message(&self) -> Option<&str> {
        self.field("message")?.as_str()
    }

    /// A field of the event, or of the innermost span that has it.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let part = |name| self.json.get(name);
        let spans = part("spans").and_then(Value::as_array).into_iter().flatten().rev();
        let own = [part("fields"), Some(&self.json), part("span")];
        own.into_iter().flatten().chain(spans).find_map(|part| part.get(name))
    }

    fn parse(line: &str) -> Self {
        Self { text: line.to_owned(), json: serde_json::from_str(line).unwrap_or_default() }
    }
}
