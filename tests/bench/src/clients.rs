//! Who is measured: plugins in a host, and the rivals, each a process of its own.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;
use test_support::{NatsServer, Process, TempDir, eventually, guest};
use tokio::process::Command;

use crate::{
    fleet::{Fleet, host},
    rivals::{Rival, SUBJECTS},
    workloads::{Kind, Workload},
};

/// A program to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// A plugin, which works in callbacks.
    Plugin,
    /// A program with a `main`, which publishes outside of callbacks.
    Command,
    Rival(Rival),
    /// A program in C, which may write each message at once.
    NatsC {
        soon: bool,
    },
    /// A program in Go.
    NatsGo,
}

/// A client that runs, in as many copies as its workload wants.
pub(crate) struct Running {
    pub(crate) process: Process,
    name: String,
    /// Lives as long as what runs from it.
    _manifest: Option<TempDir>,
}

impl Client {
    /// Those that are here and can do this.
    pub(crate) fn able_to(workload: Workload) -> Vec<Self> {
        let mut clients = vec![Self::Plugin];
        if workload.kind == Kind::Publish && workload.clients == 1 {
            clients.push(Self::Command);
        }
        clients.extend(Rival::value_variants().iter().copied().map(Self::Rival));
        match workload.kind {
            // The library's request waits for its answer.
            Kind::Request { in_flight: 2.. } => {}
            Kind::RoundTrip | Kind::Request { .. } => {
                clients.extend([Self::NatsC { soon: false }, Self::NatsC { soon: true }]);
            }
            _ => clients.push(Self::NatsC { soon: false }),
        }
        clients.push(Self::NatsGo);
        clients.retain(|client| client.is_here());
        clients
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Plugin => "simple-nats plugin",
            Self::Command => "simple-nats command",
            Self::Rival(Rival::AsyncNatsOneThread) => "async-nats, one thread",
            Self::Rival(Rival::AsyncNatsManyThreads) => "async-nats, many threads",
            Self::Rival(Rival::Engine) => "engine without a plugin",
            Self::Rival(Rival::Raw) => "raw socket",
            Self::NatsC { soon: false } => "nats.c",
            Self::NatsC { soon: true } => "nats.c, sending at once",
            Self::NatsGo => "nats.go",
        }
    }

    /// Whether it is async-nats.
    pub(crate) fn is_async_nats(self) -> bool {
        matches!(self, Self::Rival(Rival::AsyncNatsOneThread | Rival::AsyncNatsManyThreads))
    }

    /// Whether it is a whole native client.
    pub(crate) fn is_native(self) -> bool {
        self.is_async_nats() || matches!(self, Self::NatsC { .. } | Self::NatsGo)
    }

    /// Whether it is a socket and no client.
    pub(crate) fn is_raw(self) -> bool {
        self == Self::Rival(Rival::Raw)
    }

    /// Rivals in other languages are built where their tools are.
    fn is_here(self) -> bool {
        match self {
            Self::NatsC { .. } | Self::NatsGo => self.binary().is_ok_and(|binary| binary.is_file()),
            _ => true,
        }
    }

    /// The program that it is, or that runs it.
    fn binary(self) -> Result<PathBuf> {
        let bench = env::current_exe().context("find this program")?;
        let built = |name: &str| {
            let target = bench.ancestors().nth(2).context("no target folder")?;
            Ok(target.join("rivals").join(name))
        };
        match self {
            Self::Plugin | Self::Command => host(),
            Self::Rival(_) => Ok(bench),
            Self::NatsC { .. } => built("nats-c"),
            Self::NatsGo => built("nats-go"),
        }
    }

    /// Starts it and waits until the server knows its subscriptions. Its
    /// connections are named `NAME-0`, `NAME-1` and so on.
    pub(crate) async fn start(
        self,
        server: &NatsServer,
        name: &str,
        clients: usize,
    ) -> Result<Running> {
        let mut command = Command::new(self.binary()?);
        let mut manifest = None;
        match self {
            Self::Plugin if clients > 1 => {
                let fleet = Fleet { active: clients, ..Fleet::default() };
                let (host, folder) = fleet.command(server, name)?;
                (command, manifest) = (host, Some(folder));
            }
            Self::Plugin | Self::Command => {
                let component = if self == Self::Plugin { "bench" } else { "bench-publish" };
                command.arg("run").arg(guest(component)?).args(["--server", &server.url()]);
                command.args(["--allow-all", "--name", &format!("{name}-0")]);
            }
            Self::Rival(rival) => {
                let rival = rival.to_possible_value().context("a rival without a name")?;
                command.args(["rival", rival.get_name()]);
            }
            _ => {}
        }
        if !matches!(self, Self::Plugin | Self::Command) {
            command.args([&server.address().to_string(), name, &clients.to_string()]);
        }
        if let Self::NatsC { soon } = self {
            command.arg(if soon { "soon" } else { "later" });
        }
        let process = Process::spawn(command)?;
        let subscriptions = if self == Self::Command { 1 } else { SUBJECTS.len() };
        await_subscriptions(server, name, clients, subscriptions).await.with_context(|| {
            format!("{} wrote: {}", self.label(), process.stderr().so_far().join("\n"))
        })?;
        Ok(Running { process, name: name.to_owned(), _manifest: manifest })
    }
}

impl Running {
    /// Ends it, and waits until the server has forgotten it.
    pub(crate) async fn end(mut self, server: &NatsServer) -> Result<()> {
        self.process.kill().await?;
        eventually(&format!("{} to be gone", self.name), async || {
            Ok(connections(server, &self.name).await?.is_empty().then_some(()))
        })
        .await
    }
}

/// The server's view of the connections `NAME-0`, `NAME-1` and so on.
pub(crate) async fn connections(server: &NatsServer, name: &str) -> Result<Vec<Value>> {
    let mut page = server.monitor("/connz?limit=65536").await?;
    let all = page.get_mut("connections").and_then(Value::as_array_mut);
    let mut all = std::mem::take(all.context("the server lists no connections")?);
    let prefix = format!("{name}-");
    let name =
        |connection: &Value| connection.get("name").and_then(Value::as_str).map(str::to_owned);
    all.retain(|connection| name(connection).is_some_and(|name| name.starts_with(&prefix)));
    Ok(all)
}

/// Waits until each of so many connections has so many subscriptions.
async fn await_subscriptions(
    server: &NatsServer,
    name: &str,
    clients: usize,
    subscriptions: usize,
) -> Result<()> {
    let count = |connection: &Value| connection.get("subscriptions").and_then(Value::as_u64);
    eventually(&format!("{clients} clients {name} to subscribe"), async || {
        let all = connections(server, name).await?;
        let ready = all.iter().filter(|one| count(one) == Some(subscriptions as u64)).count();
        Ok((ready == clients).then_some(()))
    })
    .await
}
