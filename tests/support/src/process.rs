//! A child process whose output is kept and which dies with its value.

use std::{process::ExitStatus, process::Stdio};

use anyhow::{Context, Result};
use rustix::process::Pid;
pub use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::{deadline::within, lines::Lines};

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts `command` without standard input.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        Ok(Self { name, child, stdout: Lines::collect(stdout), stderr: Lines::collect(stderr) })
    }

    /// What it wrote to standard output.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// Its process id; an error once it has ended.
    pub fn pid(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.name))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid()?)?).context("process id 0")?;
        rustix::process::kill_process(pid, signal)
            .with_context(|| format!("signal {} to {}", signal.as_raw(), self.name))
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let ended = within(&format!("{} to end", self.name), self.child.wait()).await?;
        ended.with_context(|| format!("wait for {}", self.name))
    }

    /// Ends it at once, as a crash would, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("kill {}", self.name))
    }
}
