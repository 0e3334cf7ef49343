//! A plugin with two connections: a healthy one, through which it takes commands
//! and tells what it has seen, and one over a network that a test can break.

#![allow(dead_code, reason = "each test uses a part of it")]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_support::{Mode, NatsServer, Proxy, eventually};

use crate::harness::{GuestError, Probe, Scene};

/// The client name of the connection that a test breaks.
pub(crate) const NAME: &str = "patient";

/// The probe's number of that connection.
const INDEX: usize = 1;

/// The probe and its connection to a server behind a proxy.
pub(crate) struct Patient {
    pub(crate) scene: Scene,
    pub(crate) probe: Probe,
    pub(crate) proxy: Proxy,
}

impl Patient {
    /// Both connections go to one server without configuration.
    pub(crate) async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    /// The same with more arguments of `run`.
    pub(crate) async fn with(args: &[&str]) -> Result<Self> {
        let server = NatsServer::start().await?;
        let proxy = Proxy::start(server.address()).await?;
        Self::between(server, proxy, "", args).await
    }

    /// Commands go through `server`, and what is broken through `proxy`, with a
    /// login such as `user:password@`.
    pub(crate) async fn between(
        server: NatsServer,
        proxy: Proxy,
        login: &str,
        args: &[&str],
    ) -> Result<Self> {
        let scene = Scene::on(server, &["probe"], &[&["-A"], &QUICK[..], args].concat()).await?;
        let patient = Self { probe: scene.probe(), scene, proxy };
        let url = format!("nats://{login}127.0.0.1:{}", patient.proxy.port());
        let index = json!({ "op": "connect", "server": url, "name": NAME });
        let index = patient.probe.obey(index).await?;
        ensure!(index == INDEX, "the connection is number {index}");
        Ok(patient)
    }

    /// The value of a command on the connection.
    pub(crate) async fn obey(&self, command: Value) -> Result<Value> {
        self.probe.obey(addressed(command)?).await
    }

    /// What came of a command on the connection.
    pub(crate) async fn outcome(&self, command: Value) -> Result<Result<Value, GuestError>> {
        self.probe.outcome(addressed(command)?).await
    }

    /// Waits until the server has taken all that was said on the connection.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.obey(json!({ "op": "flush", "timeout_ms": 5000 })).await.map(drop)
    }

    /// Subscribes on the connection; gives the sid.
    pub(crate) async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<u64> {
        let sid = self.obey(json!({ "op": "subscribe", "subject": subject, "queue": queue }));
        let sid = sid.await?.as_u64().context("the sid is no number")?;
        self.flush().await?;
        Ok(sid)
    }

    /// Publishes on the connection.
    pub(crate) async fn publish(&self, subject: &str, payload: &str) -> Result<()> {
        let command = json!({ "op": "publish", "subject": subject, "payload": payload });
        self.obey(command).await.map(drop)
    }

    /// The details of all events of this kind.
    pub(crate) async fn events(&self, kind: &str) -> Result<Vec<Value>> {
        let events = self.probe.obey(json!({ "op": "events" })).await?;
        let events = events.as_array().into_iter().flatten();
        let events = events.filter(|event| event["client"] == INDEX && event["kind"] == kind);
        Ok(events.map(|event| event["detail"].clone()).collect())
    }

    /// Waits until there have been `count` events of this kind; gives the last.
    pub(crate) async fn wait_for_event(&self, kind: &str, count: usize) -> Result<Value> {
        eventually(&format!("event {kind} number {count}"), async || {
            Ok(self.events(kind).await?.into_iter().nth(count - 1))
        })
        .await
    }

    /// Breaks the connection, and lets no other through; waits until the plugin
    /// knows.
    pub(crate) async fn take_down(&self) -> Result<()> {
        let before = self.events("disconnected").await?.len();
        self.proxy.set(Mode::Refuse);
        self.proxy.reset();
        self.wait_for_event("disconnected", before + 1).await.map(drop)
    }

    /// Lets connections through again; waits until the server knows everything
    /// that the new one begins with.
    pub(crate) async fn bring_back(&self) -> Result<()> {
        let before = self.events("reconnected").await?.len();
        self.proxy.set(Mode::Pass);
        self.wait_for_event("reconnected", before + 1).await?;
        self.flush().await
    }
}

/// Looks for a server often, so that a test need not wait.
const QUICK: [&str; 2] = ["--reconnect-wait-max", "50ms"];

fn addressed(mut command: Value) -> Result<Value> {
    let fields = command.as_object_mut().context("a command is an object")?;
    fields.insert("client".to_owned(), INDEX.into());
    Ok(command)
}
