//! async-nats as its documentation shows it: a task for each subscription.

use std::net::SocketAddr;

use anyhow::Result;
use async_nats::{Client, Message, Subject, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{OUTPUT, SUBJECTS};

pub(super) async fn serve(server: SocketAddr, name: &str) -> Result<()> {
    let options = async_nats::ConnectOptions::new().name(name);
    let client = options.connect(format!("nats://{server}")).await?;
    let [input, echoes, orders] = SUBJECTS;
    let (input, echoes, orders) = (
        client.subscribe(input).await?,
        client.subscribe(echoes).await?,
        client.subscribe(orders).await?,
    );
    let counting = tokio::spawn(count(client.clone(), input));
    let echoing = tokio::spawn(echo(client.clone(), echoes));
    let publishing = tokio::spawn(publish(client, orders));
    counting.await??;
    echoing.await??;
    publishing.await?
}

async fn count(client: Client, mut input: Subscriber) -> Result<()> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    while let Some(message) = input.next().await {
        count += 1;
        bytes += message.payload.len() as u64;
        respond(&client, message.reply, || format!("{count} {bytes}").into()).await?;
    }
    Ok(())
}

async fn echo(client: Client, mut echoes: Subscriber) -> Result<()> {
    while let Some(Message { reply, payload, .. }) = echoes.next().await {
        respond(&client, reply, || payload).await?;
    }
    Ok(())
}

async fn publish(client: Client, mut orders: Subscriber) -> Result<()> {
    while let Some(message) = orders.next().await {
        let (count, size): (u64, usize) = serde_json::from_slice(&message.payload)?;
        let payload = Bytes::from(vec![b'x'; size]);
        for _ in 0..count {
            client.publish(Subject::from_static(OUTPUT), payload.clone()).await?;
        }
        respond(&client, message.reply, Bytes::new).await?;
    }
    Ok(())
}

async fn respond(
    client: &Client,
    reply_to: Option<Subject>,
    payload: impl FnOnce() -> Bytes,
) -> Result<()> {
    if let Some(reply_to) = reply_to {
        client.publish(reply_to, payload()).await?;
    }
    Ok(())
}
