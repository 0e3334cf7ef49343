//! Who is measured: plugins in a host, and the rivals, each a process of its own.

use std::env;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use test_support::{NatsServer, Process, eventually, guest};
use tokio::process::Command;

use crate::{
    rivals::{Rival, SUBJECTS},
    workloads::Kind,
};

/// A program to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// A plugin, which works in callbacks.
    Plugin,
    /// A program with a `main`, which publishes outside of callbacks.
    Command,
    Rival(Rival),
}

impl Client {
    /// Those that can do this.
    pub(crate) fn able_to(kind: Kind) -> Vec<Self> {
        let rivals = Rival::value_variants().iter().copied().map(Self::Rival);
        let ours = match kind {
            Kind::Publish => &[Self::Plugin, Self::Command][..],
            _ => &[Self::Plugin],
        };
        ours.iter().copied().chain(rivals).collect()
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Plugin => "simple-nats plugin",
            Self::Command => "simple-nats command",
            Self::Rival(Rival::AsyncNatsOneThread) => "async-nats, one thread",
            Self::Rival(Rival::AsyncNatsManyThreads) => "async-nats, many threads",
            Self::Rival(Rival::Raw) => "raw socket",
        }
    }

    /// Whether it is what the others are compared with.
    pub(crate) fn is_yardstick(self) -> bool {
        matches!(self, Self::Rival(Rival::AsyncNatsOneThread | Rival::AsyncNatsManyThreads))
    }

    /// Starts it under a name and waits until the server knows its subscriptions.
    pub(crate) async fn start(self, server: &NatsServer, name: &str) -> Result<Process> {
        let process = Process::spawn(self.program(server, name)?)?;
        let subjects = match self {
            Self::Command => SUBJECTS.get(2..).unwrap_or_default(),
            _ => &SUBJECTS,
        };
        server.wait_for_subscriptions(name, subjects).await.with_context(|| {
            format!("{} wrote: {}", self.label(), process.stderr().so_far().join("\n"))
        })?;
        Ok(process)
    }

    fn program(self, server: &NatsServer, name: &str) -> Result<Command> {
        let bench = env::current_exe().context("find this program")?;
        let component = match self {
            Self::Plugin => "bench",
            Self::Command => "bench-publish",
            Self::Rival(rival) => {
                let rival = rival.to_possible_value().context("a rival without a name")?;
                let mut command = Command::new(bench);
                command.args(["rival", rival.get_name(), &server.address().to_string(), name]);
                return Ok(command);
            }
        };
        let host = bench.with_file_name(format!("simple-nats{}", env::consts::EXE_SUFFIX));
        ensure!(host.is_file(), "no host {}; run `cargo xtask bench`", host.display());
        let mut command = Command::new(host);
        command.arg("run").arg(guest(component)?);
        command.args(["--server", &server.url(), "--allow-all", "--name", name]);
        Ok(command)
    }
}

/// Ends it, and waits until the server has forgotten it.
pub(crate) async fn end(mut process: Process, server: &NatsServer, name: &str) -> Result<()> {
    process.kill().await?;
    eventually(&format!("{name} to be gone"), async || {
        Ok(server.connection(name).await?.is_none().then_some(()))
    })
    .await
}
