//! The second client: what a test does as a stranger to the host.

#![allow(dead_code, reason = "each test uses a part of it")]

use anyhow::{Context, Result, ensure};
use async_nats::{Client, Message, RequestErrorKind, Subscriber};
use test_support::within;

/// Waits until the server has taken everything that this client sent before.
///
/// Its own `flush` does not wait for the server. The answer to a request that
/// nobody can hear does, since the server takes one after the other.
pub(crate) async fn settle(client: &Client) -> Result<()> {
    let request = client.request("nobody.listens.here", "".into());
    let error = within("the server", request).await?.err().context("somebody answered")?;
    ensure!(error.kind() == RequestErrorKind::NoResponders, "{error}");
    Ok(())
}

/// Subscribes, and waits until the server knows.
pub(crate) async fn listen(client: &Client, subject: &str) -> Result<Subscriber> {
    let subscriber = client.subscribe(subject.to_owned()).await?;
    settle(client).await?;
    Ok(subscriber)
}

/// The answer to a request.
pub(crate) async fn ask(client: &Client, subject: &str, text: &str) -> Result<Message> {
    let request = client.request(subject.to_owned(), text.to_owned().into());
    within(&format!("{subject} to answer {text:?}"), request).await?.context(subject.to_owned())
}

/// The error that a message carries instead of an answer: text and code.
pub(crate) fn service_error(message: &Message) -> Option<(&str, &str)> {
    let headers = message.headers.as_ref()?;
    let value = |name: &str| headers.get(name).map(|value| value.as_str());
    value("Nats-Service-Error").zip(value("Nats-Service-Error-Code"))
}
