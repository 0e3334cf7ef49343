//! async-nats as its documentation shows it: a task for each subscription.

use std::net::SocketAddr;

use anyhow::Result;
use async_nats::{Client, Message, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{ECHO, HEADER, HEADERS, INPUT, OUTPUT, PUBLISH, REQUEST, SERVICE};

pub(super) async fn serve(server: SocketAddr, name: String) -> Result<()> {
    let options = async_nats::ConnectOptions::new().name(name);
    let client = options.connect(format!("nats://{server}")).await?;
    let subscribe = async |subject: &'static str| client.subscribe(subject).await;
    let tasks = [
        tokio::spawn(count(client.clone(), subscribe(INPUT).await?, |message| {
            message.payload.len()
        })),
        tokio::spawn(count(client.clone(), subscribe(HEADERS).await?, header_bytes)),
        tokio::spawn(echo(client.clone(), subscribe(ECHO).await?)),
        tokio::spawn(publish(client.clone(), subscribe(PUBLISH).await?)),
        tokio::spawn(request(client.clone(), subscribe(REQUEST).await?)),
    ];
    for task in tasks {
        task.await??;
    }
    Ok(())
}

fn header_bytes(message: &Message) -> usize {
    let value = message.headers.as_ref().and_then(|headers| headers.get(HEADER));
    value.map_or(0, |value| value.as_str().len())
}

async fn count(client: Client, mut input: Subscriber, size: fn(&Message) -> usize) -> Result<()> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    while let Some(message) = input.next().await {
        count += 1;
        bytes += size(&message) as u64;
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

async fn request(client: Client, mut orders: Subscriber) -> Result<()> {
    while let Some(message) = orders.next().await {
        let (count, size, in_flight): (u64, usize, usize) =
            serde_json::from_slice(&message.payload)?;
        let payload = Bytes::from(vec![b'x'; size]);
        stream::iter(0..count)
            .map(|_| client.request(Subject::from_static(SERVICE), payload.clone()))
            .buffer_unordered(in_flight)
            .try_for_each(async |_| Ok(()))
            .await?;
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
