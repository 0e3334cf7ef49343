//! Requests that the guest `probe` sends, and services that answer them.

use anyhow::{Context, Result};
use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{Probe, listen, next, round_trip};

/// Where the probe tells what came of the requests that it does not wait for.
pub(crate) const RELAY: &str = "relay";

/// A command for the probe: `request` or `request_and_wait`, with these options.
pub(crate) fn request(op: &str, subject: &str, options: Value) -> Value {
    let mut command =
        json!({ "op": op, "relay": RELAY, "subject": subject, "payload": "question" });
    if let (Value::Object(command), Value::Object(options)) = (&mut command, options) {
        command.extend(options);
    }
    command
}

/// Sends a request whose answers are told on the relay; gives its number.
pub(crate) async fn send(probe: &Probe, subject: &str, options: Value) -> Result<u64> {
    let id = probe.obey(request("request", subject, options)).await?;
    id.as_u64().context("no number")
}

/// What came of a request next, as a subscription to the relay tells it.
pub(crate) async fn report(relay: &mut Subscriber) -> Result<Value> {
    Ok(serde_json::from_slice(&next(relay).await?.payload)?)
}

/// Where a message wants its answer.
pub(crate) fn inbox(question: &Message) -> Result<String> {
    Ok(question.reply.as_ref().context("no reply subject")?.to_string())
}

/// Answers a question with the numbers from 1 to `count`.
pub(crate) async fn answer(client: &Client, question: &Message, count: u32) -> Result<()> {
    let inbox = inbox(question)?;
    for number in 1..=count {
        client.publish(inbox.clone(), number.to_string().into()).await?;
    }
    round_trip(client).await
}

/// Answers every message of a subject with its own payload, from now on.
pub(crate) async fn echo(client: &Client, subject: &str) -> Result<()> {
    let mut questions = listen(client, subject).await?;
    let client = client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let Some(inbox) = question.reply else { continue };
            client.publish(inbox, question.payload).await?;
        }
        anyhow::Ok(())
    });
    Ok(())
}
