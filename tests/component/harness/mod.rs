//! What every test begins with: a real server, the host with plugins on it, and
//! a second, independent client. It knows no scenario.

#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]

mod admin;
pub(crate) mod asking;
mod probe;
mod raw;

use std::ffi::OsString;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use serde_json::Value;
use test_support::{HostProcess, NatsServer, guest, within};

pub(crate) use admin::Admin;
pub(crate) use probe::{GuestError, Probe};
pub(crate) use raw::RawClient;

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_simple-nats");

/// A server, the host with its plugins, and the other client.
pub(crate) struct Scene {
    pub(crate) server: NatsServer,
    pub(crate) host: HostProcess,
    pub(crate) client: async_nats::Client,
}

impl Scene {
    /// Plugins that may do everything, on a server without configuration.
    pub(crate) async fn of(guests: &[&str]) -> Result<Self> {
        Self::with(guests, &["-A"]).await
    }

    /// Plugins with these arguments of `run`, on a server without configuration.
    pub(crate) async fn with(guests: &[&str], args: &[&str]) -> Result<Self> {
        Self::on(NatsServer::start().await?, guests, args).await
    }

    /// Plugins with these arguments of `run`, on a server that is there.
    pub(crate) async fn on(server: NatsServer, guests: &[&str], args: &[&str]) -> Result<Self> {
        let host = run_until_ready(&server.url(), guests, args).await?;
        let client = server.client().await?;
        Ok(Self { server, host, client })
    }

    /// The plugin `probe`, if it is one of the guests.
    pub(crate) fn probe(&self) -> Probe {
        Probe::new(self.client.clone())
    }
}

/// Starts the host with these guests and arguments of `run`; waits for nothing.
pub(crate) fn run(url: &str, guests: &[&str], args: &[&str]) -> Result<HostProcess> {
    let mut all: Vec<OsString> =
        ["run", "--server", url, "--log-format", "json"].map(Into::into).into();
    for name in guests {
        all.push(guest(name)?.into());
    }
    all.extend(args.iter().map(Into::into));
    HostProcess::start(BINARY, all)
}

/// Starts the host and waits until every guest, all of them plugins, is ready.
pub(crate) async fn run_until_ready(
    url: &str,
    guests: &[&str],
    args: &[&str],
) -> Result<HostProcess> {
    let host = run(url, guests, args)?;
    // Counted, since one guest may be there twice.
    let mut missing = guests.len();
    host.wait_for_log(&format!("{guests:?} to be ready"), |line| {
        missing -= usize::from(line.message() == Some("plugin ready"));
        missing == 0
    })
    .await?;
    Ok(host)
}

/// The next message of a subscription of the other client.
pub(crate) async fn next(subscriber: &mut async_nats::Subscriber) -> Result<async_nats::Message> {
    let what = "a message for the other client";
    within(what, subscriber.next()).await?.context("its subscription has ended")
}

/// The next message of a subscription, as text.
pub(crate) async fn next_text(subscriber: &mut async_nats::Subscriber) -> Result<String> {
    Ok(String::from_utf8(next(subscriber).await?.payload.into())?)
}

/// Subscribes the other client, and waits until the server knows.
pub(crate) async fn listen(
    client: &async_nats::Client,
    subject: &str,
) -> Result<async_nats::Subscriber> {
    let subscriber = client.subscribe(subject.to_owned()).await?;
    round_trip(client).await?;
    Ok(subscriber)
}

/// Waits until the server has taken all that the other client said before; its
/// own `flush` only waits until that is written.
pub(crate) async fn round_trip(client: &async_nats::Client) -> Result<()> {
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await?;
    client.publish(inbox, "".into()).await?;
    next(&mut echo).await.map(drop)
}

/// The server's number of the connection with this client name: while it stays
/// the same, the connection was not lost.
pub(crate) async fn connection_id(server: &NatsServer, name: &str) -> Result<u64> {
    let connection = server.connection(name).await?.with_context(|| format!("no {name}"))?;
    connection.get("cid").and_then(Value::as_u64).context("no cid")
}
