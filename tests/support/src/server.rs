//! A real `nats-server` as a child process, with its monitoring pages.
//!
//! The system chooses every port; a server that is started again keeps them,
//! so that clients find it where it was.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    artifacts::nats_server_binary,
    deadline::eventually,
    http::get_json,
    lines::Lines,
    process::{Process, Signal},
};

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct NatsServer {
    plan: ServerBuilder,
    folder: TempDir,
    process: Process,
    ports: Ports,
}

/// Chooses what a [`NatsServer`] is started with.
#[derive(Clone, Debug, Default)]
pub struct ServerBuilder {
    config: Option<String>,
    cluster: Option<String>,
    routes: Vec<String>,
    args: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    client: SocketAddr,
    monitor: SocketAddr,
    route: Option<SocketAddr>,
}

impl ServerBuilder {
    /// The text of its configuration file: accounts, permissions, limits, TLS.
    /// Ports need no mention.
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self
    }

    /// Makes it a member of the cluster `name`.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = Some(name.into());
        self
    }

    /// Joins the cluster of `other`, which must be in one.
    pub fn join(mut self, other: &NatsServer) -> Result<Self> {
        let route = other.ports.route.context("the other server is in no cluster")?;
        self.cluster.clone_from(&other.plan.cluster);
        self.routes.push(format!("nats://{route}"));
        Ok(self)
    }

    /// Adds command-line arguments; a repeated one replaces the harness's own.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts the server and waits until it listens.
    pub async fn start(self) -> Result<NatsServer> {
        let folder = tempfile::tempdir().context("make a folder for nats-server")?;
        let (process, ports) = self.spawn(&folder, None).await?;
        Ok(NatsServer { plan: self, folder, process, ports })
    }

    async fn spawn(&self, folder: &TempDir, ports: Option<Ports>) -> Result<(Process, Ports)> {
        let port = |address: Option<SocketAddr>| match address {
            Some(address) => address.port().to_string(),
            None => "-1".to_owned(),
        };
        let mut command = Command::new(nats_server_binary());
        command.args(["-a", "127.0.0.1", "-p", &port(ports.map(|p| p.client))]);
        command.args(["-m", &port(ports.map(|p| p.monitor))]);
        if let Some(text) = &self.config {
            command.arg("-c").arg(write_config(folder, text)?);
        }
        if let Some(name) = &self.cluster {
            let route = port(ports.and_then(|p| p.route));
            command.args(["--cluster_name", name, "--cluster"]);
            command.arg(format!("nats://127.0.0.1:{route}"));
        }
        if !self.routes.is_empty() {
            command.args(["--routes", &self.routes.join(",")]);
        }
        command.args(&self.args);

        let process = Process::spawn(command).context("see `cargo xtask setup`")?;
        let log = process.stderr();
        let ports = Ports {
            monitor: announced(log, "Starting http monitor on ").await?,
            client: announced(log, "Listening for client connections on ").await?,
            route: match self.cluster {
                Some(_) => Some(announced(log, "Listening for route connections on ").await?),
                None => None,
            },
        };
        Ok((process, ports))
    }
}

impl NatsServer {
    /// Starts a server without any configuration.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// Chooses configuration first.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.ports.client)
    }

    /// Where clients connect, as an address.
    pub fn address(&self) -> SocketAddr {
        self.ports.client
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.ports.client.port()
    }

    /// Its process id; an error once it has ended.
    pub fn pid(&self) -> Result<u32> {
        self.process.pid()
    }

    /// The server's log since it was last started.
    pub fn log(&self) -> &Lines {
        self.process.stderr()
    }

    /// An independent second client.
    pub async fn client(&self) -> Result<async_nats::Client> {
        self.client_with(async_nats::ConnectOptions::new()).await
    }

    /// An independent second client with options, such as credentials.
    pub async fn client_with(
        &self,
        options: async_nats::ConnectOptions,
    ) -> Result<async_nats::Client> {
        options.connect(self.url()).await.with_context(|| format!("connect to {}", self.url()))
    }

    /// The server's view of its connections, with their subscriptions.
    pub async fn connz(&self) -> Result<Value> {
        self.monitor("/connz?subs=detail&auth=1").await
    }

    /// The server's general state.
    pub async fn varz(&self) -> Result<Value> {
        self.monitor("/varz").await
    }

    /// The server's view of all subscriptions.
    pub async fn subsz(&self) -> Result<Value> {
        self.monitor("/subsz?subs=1").await
    }

    /// Any monitoring page, such as `/connz?state=closed`.
    pub async fn monitor(&self, path: &str) -> Result<Value> {
        get_json(self.ports.monitor, path).await
    }

    /// The entry of [`connz`](Self::connz) whose client name is `name`.
    pub async fn connection(&self, name: &str) -> Result<Option<Value>> {
        let mut page = self.connz().await?;
        let Some(Value::Array(connections)) = page.get_mut("connections").map(Value::take) else {
            bail!("connz lists no connections: {page}");
        };
        Ok(connections.into_iter().find(|connection| connection["name"] == name))
    }

    /// Waits until `accept` picks something out of [`connz`](Self::connz).
    pub async fn wait_for<T>(
        &self,
        what: &str,
        mut accept: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        eventually(what, async || Ok(accept(&self.connz().await?))).await
    }

    /// Waits until the client `name` holds exactly the subscriptions
    /// `subjects`, in any order, and gives its entry of [`connz`](Self::connz).
    pub async fn wait_for_subscriptions(&self, name: &str, subjects: &[&str]) -> Result<Value> {
        let mut wanted = subjects.to_vec();
        wanted.sort_unstable();
        eventually(&format!("{name} to subscribe {wanted:?}"), async || {
            let connection = self.connection(name).await?;
            Ok(connection.filter(|connection| subjects_of(connection) == wanted))
        })
        .await
    }

    /// Replaces the configuration of a server that was started with one.
    pub async fn reload(&self, config: &str) -> Result<()> {
        let before = self.log().count();
        write_config(&self.folder, config)?;
        self.process.signal(Signal::HUP)?;
        let reloaded = |line: &str| line.contains("Reloaded server configuration").then_some(());
        self.log().wait_from(before, "the configuration to be reloaded", reloaded).await
    }

    /// Sends a signal: `USR2` for lame duck mode, `STOP` to freeze it.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends the server as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Starts a killed server again, on the same ports.
    pub async fn start_again(&mut self) -> Result<()> {
        (self.process, self.ports) = self.plan.spawn(&self.folder, Some(self.ports)).await?;
        Ok(())
    }

    /// Kills the server and starts it again.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        self.start_again().await
    }
}

fn subjects_of(connection: &Value) -> Vec<&str> {
    let details = connection["subscriptions_list_detail"].as_array();
    let mut subjects: Vec<_> =
        details.into_iter().flatten().filter_map(|entry| entry["subject"].as_str()).collect();
    subjects.sort_unstable();
    subjects
}

fn write_config(folder: &TempDir, text: &str) -> Result<PathBuf> {
    let path = folder.path().join("server.conf");
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// The address that follows `prefix` in the log. The log is preferred to a
/// ports file because it is an event, and shows why a server did not start.
async fn announced(log: &Lines, prefix: &str) -> Result<SocketAddr> {
    log.wait_for(prefix.trim_end(), |line| line.split_once(prefix)?.1.parse().ok()).await
}
