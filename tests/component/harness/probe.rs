//! The guest `probe` from outside: it does one operation for each command, and
//! so a test can do what a plugin can.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use test_support::{eventually, within};

/// The subject on which it takes commands.
const COMMANDS: &str = "probe.cmd";

/// Tells the guest `probe` what to do.
#[derive(Clone)]
pub(crate) struct Probe {
    client: async_nats::Client,
}

/// An error that the host gave to a guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GuestError {
    /// The case, as Rust writes it: `SubjectInvalid`.
    pub(crate) kind: String,
    /// What the guest could show to a person.
    pub(crate) text: String,
}

impl Probe {
    /// Commands go through this client.
    pub(crate) fn new(client: async_nats::Client) -> Self {
        Self { client }
    }

    /// What came of a command, such as `{"op": "flush", "timeout_ms": 1000}`.
    pub(crate) async fn outcome(&self, command: Value) -> Result<Result<Value, GuestError>> {
        let what = format!("the probe to answer {command}");
        // The client's own time-out of 10 seconds is the shorter one.
        let request = self.client.request(COMMANDS, command.to_string().into());
        let answer = within(&what, request).await?.context(what)?;
        let mut answer: Value = serde_json::from_slice(&answer.payload)
            .with_context(|| format!("{command} was answered with {answer:?}"))?;
        if let Some(value) = answer.get_mut("ok") {
            return Ok(Ok(value.take()));
        }
        let part = |name: &str| Some(answer.get("error")?.get(name)?.as_str()?.to_owned());
        let error = part("kind").zip(part("text"));
        let (kind, text) = error.with_context(|| format!("{command} was answered {answer}"))?;
        Ok(Err(GuestError { kind, text }))
    }

    /// The value of a command that must succeed.
    pub(crate) async fn obey(&self, command: Value) -> Result<Value> {
        let shown = command.to_string();
        match self.outcome(command).await? {
            Ok(value) => Ok(value),
            Err(error) => bail!("{shown} failed with {error:?}"),
        }
    }

    /// The error of a command that must fail.
    pub(crate) async fn refuse(&self, command: Value) -> Result<GuestError> {
        let shown = command.to_string();
        match self.outcome(command).await? {
            Ok(value) => bail!("{shown} succeeded with {value}"),
            Err(error) => Ok(error),
        }
    }

    /// Subscribes on the host's own connection, known to the server; gives the sid.
    pub(crate) async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<u64> {
        let sid = self.obey(json!({ "op": "subscribe", "subject": subject, "queue": queue }));
        let sid = sid.await?.as_u64().context("the sid is no number")?;
        self.flush().await?;
        Ok(sid)
    }

    /// A round trip of the host's own connection to the server.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.obey(json!({ "op": "flush", "timeout_ms": 5000 })).await.map(drop)
    }

    /// The messages of a subscription: `{"count", "last"}`, newest first.
    pub(crate) async fn seen(&self, sid: u64) -> Result<Value> {
        self.obey(json!({ "op": "seen", "sid": sid })).await
    }

    /// Waits until a subscription has got `count` messages or more.
    pub(crate) async fn wait_until_seen(&self, sid: u64, count: u64) -> Result<Value> {
        eventually(&format!("{count} messages on {sid}"), async || {
            let seen = self.seen(sid).await?;
            let enough = seen.get("count").and_then(Value::as_u64) >= Some(count);
            Ok(enough.then_some(seen))
        })
        .await
    }

    /// Waits for an event of this kind, on the connection with this index; gives
    /// its detail.
    pub(crate) async fn wait_for_event(&self, client: usize, kind: &str) -> Result<Value> {
        eventually(&format!("the event {kind}"), async || {
            let events = self.obey(json!({ "op": "events" })).await?;
            let events = events.as_array().into_iter().flatten();
            let mut events = events.filter(|event| event["client"] == client);
            Ok(events.find(|event| event["kind"] == kind).map(|event| event["detail"].clone()))
        })
        .await
    }
}
