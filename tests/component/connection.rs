//! The connection alone, as a user of the library has it: what it sends after an
//! outage and what not, how it ends, and how many of them come back.

mod native;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use native::{Arrival, Native, arrivals};
use serde_json::Value;
use simple_nats::connection::{ConnectionEvent, ConnectionStatus};
use simple_nats::protocol::{EndReason, RequestError, RequestOptions, SessionError, Subject};
use test_support::{FakeServer, INFO, Mode, NatsServer, Proxy, eventually};
use tokio::time::Instant;

/// A fake server with a native connection to it.
async fn connected(
    server: &FakeServer,
    change: impl FnOnce(&mut simple_nats::connection::ConnectionOptions),
) -> Result<(Native, test_support::FakeConnection)> {
    let url = server.url();
    tokio::try_join!(Native::connect(&url, "me", change), server.accept_client())
}

// Servers that do not what they should

#[tokio::test]
async fn a_server_that_takes_nothing_is_left_and_the_rest_goes_to_the_next() -> Result<()> {
    const SIZE: usize = 100_000;
    let server = FakeServer::start().await?;
    let timeout = Duration::from_millis(500);
    let (native, stalled) = connected(&server, |options| options.write_timeout = timeout).await?;
    let subject = Subject::new("a")?;
    let mut accepted = 0;
    let full = loop {
        match native.client.publish(subject, None, b"", &[b'x'; SIZE]) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        // The driver takes what it can between two messages.
        tokio::task::yield_now().await;
    };
    ensure!(matches!(full, SessionError::BufferFull { .. }), "{full}");
    let reason = native.log.disconnected(1).await?;
    assert_eq!(reason, format!("127.0.0.1:{}: the server took nothing for 500ms", server.port()));

    let mut next = server.accept_client().await?;
    native.log.reconnected(1).await?;
    let mut resent = 0;
    // Whatever the network had taken is gone with the first server.
    native.publish("end", b"").await?;
    loop {
        match next.line().await?.as_str() {
            "PUB a 100000" => {
                next.bytes(SIZE + 2).await?;
                resent += 1;
            }
            "PUB end 0" => break,
            other => anyhow::bail!("{other:?}"),
        }
    }
    ensure!((1..=accepted).contains(&resent), "{resent} of {accepted}");
    drop(stalled);
    Ok(())
}

#[tokio::test]
async fn a_slow_server_is_not_left_while_it_takes_something() -> Result<()> {
    const SIZE: usize = 2_000_000;
    let server = FakeServer::start().await?;
    let timeout = Duration::from_millis(1_000);
    let (native, mut slow) = connected(&server, |options| options.write_timeout = timeout).await?;
    for _ in 0..4 {
        native.client.publish(Subject::new("a")?, None, b"", &vec![b'x'; SIZE / 4])?;
    }
    // Longer than the time-out altogether.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..100 {
        pace.tick().await;
        slow.bytes(SIZE / 100).await?;
    }
    assert_eq!(native.client.status(), ConnectionStatus::Connected);
    assert_eq!(native.log.count(|event| matches!(event, ConnectionEvent::Disconnected(_))), 0);
    Ok(())
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_no_consent() -> Result<()> {
    let server = FakeServer::start().await?;
    let url = server.url();
    let refuse = async {
        let mut connection = server.accept().await?;
        connection.send(format!("INFO {INFO}\r\nPONG\r\n")).await?;
        connection.connect().await?;
        connection.send("-ERR 'Authorization Violation'\r\n").await
    };
    let (native, refused) = tokio::join!(Native::connect(&url, "me", |_| {}), refuse);
    refused?;
    let error = format!("{:#}", native.err().context("it counts as connected")?);
    ensure!(error.contains("Authorization Violation"), "{error}");
    Ok(())
}

// What is sent after an outage

#[tokio::test]
async fn a_request_that_timed_out_while_down_is_not_sent() -> Result<()> {
    let server = FakeServer::start().await?;
    let (native, first) = connected(&server, |_| {}).await?;
    drop(first);
    native.log.disconnected(1).await?;
    let timeout = Duration::from_millis(50);
    let answer = native.request("late", b"?", timeout).await?;
    assert_eq!(answer.unwrap_err(), RequestError::Timeout);
    native.publish("kept", b"!").await?;
    let mut second = server.accept_client().await?;
    second.expect("SUB requests.me.* 1\r\nPUB kept 1\r\n!\r\n").await?;
    second.expect_silence().await
}

#[tokio::test]
async fn what_a_smaller_server_can_not_take_is_refused_and_the_rest_arrives() -> Result<()> {
    let server = FakeServer::start().await?;
    let (native, first) = connected(&server, |_| {}).await?;
    drop(first);
    native.log.disconnected(1).await?;
    native.publish("large", &[b'x'; 5_000]).await?;
    native.publish("small", b"!").await?;
    let mut second = server.accept().await?;
    let mut info: Value = serde_json::from_str(INFO)?;
    info["max_payload"] = 1_000.into();
    second.handshake(&info.to_string()).await?;
    second.expect("PUB small 1\r\n!\r\n").await?;
    second.expect_silence().await?;
    let refused = native.log.wait_for("the refusal", |events| {
        events.iter().find_map(|event| match event {
            ConnectionEvent::PublishRefused { subject, text } => {
                Some((subject.clone(), text.clone()))
            }
            _ => None,
        })
    });
    let (subject, text) = refused.await?;
    assert_eq!(subject, "large");
    ensure!(text.contains("5000") && text.contains("1000"), "{text}");
    Ok(())
}

// Drains

#[tokio::test]
async fn a_drain_hands_over_a_hundred_thousand_messages_under_way() -> Result<()> {
    const MESSAGES: usize = 100_000;
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let native = Native::connect(&proxy.url(), "drained", |_| {}).await?;
    let mut arrivals = native.subscribe("flood")?;
    native.flush().await?;
    proxy.set(Mode::Blackhole);
    let publisher = Native::connect(&server.url(), "publisher", |_| {}).await?;
    for number in 0..MESSAGES {
        publisher.publish("flood", number.to_string().as_bytes()).await?;
    }
    publisher.flush().await?;
    // All of them are at the server or on the way, and none has arrived.
    native.client.drain();
    ensure!(arrivals.take().is_none(), "the network is not closed");
    proxy.set(Mode::Pass);
    for number in 0..MESSAGES {
        assert_eq!(arrivals.text().await?, number.to_string());
    }
    ensure!(matches!(arrivals.next().await?, Arrival::Ended(EndReason::Drained)));
    let drained =
        |events: &[ConnectionEvent]| events.contains(&ConnectionEvent::Drained).then_some(());
    native.log.wait_for("the end of the drain", drained).await
}

#[tokio::test]
async fn a_drain_while_down_sends_what_waits_and_then_ends() -> Result<()> {
    let server = FakeServer::start().await?;
    let (native, mut first) = connected(&server, |_| {}).await?;
    let mut arrivals = native.subscribe("news")?;
    first.expect("SUB news 1\r\n").await?;
    drop(first);
    native.log.disconnected(1).await?;
    native.publish("kept", b"!").await?;
    native.client.drain();
    ensure!(matches!(arrivals.next().await?, Arrival::Ended(EndReason::Drained)));
    let drained = |event: &_| *event == ConnectionEvent::Drained;
    assert_eq!(native.log.count(drained), 0, "a message waits still");

    let mut second = server.accept_client().await?;
    second.expect("PUB kept 1\r\n!\r\nPING\r\n").await?;
    assert_eq!(native.log.count(drained), 0, "the server has not confirmed it");
    second.send("PONG\r\n").await?;
    native
        .log
        .wait_for("the end of the drain", |events| events.iter().find(|one| drained(one)).map(drop))
        .await?;
    native.client.close(Duration::from_millis(50)).await;
    let closed = |events: &[ConnectionEvent]| {
        matches!(events.last(), Some(ConnectionEvent::Closed(_))).then_some(())
    };
    native.log.wait_for("the end of the connection", closed).await?;
    assert_eq!(native.client.status(), ConnectionStatus::Closed);
    Ok(())
}

// Many at once

#[tokio::test]
async fn two_hundred_thousand_requests_that_time_out_leave_nothing_behind() -> Result<()> {
    const REQUESTS: u64 = 200_000;
    let server = NatsServer::start().await?;
    let silent = server.client().await?;
    let _subscriber = silent.subscribe("silent").await?;
    eventually("the silent one", async || {
        Ok((server.varz().await?["subscriptions"].as_u64() > Some(0)).then_some(()))
    })
    .await?;
    let native = Native::connect(&server.url(), "patient", |_| {}).await?;
    let (receiver, mut arrivals) = arrivals();
    let options =
        RequestOptions { timeout: Duration::from_millis(300), ..RequestOptions::default() };
    let subject = Subject::new("silent")?;
    let (mut sent, mut ended) = (0, 0);
    while ended < REQUESTS {
        while sent < REQUESTS {
            let client = &native.client;
            match client.request(subject, b"", b"?", &options, Arc::clone(&receiver), sent) {
                Ok(_) => sent += 1,
                Err(SessionError::BufferFull { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let Arrival::Reply(_, answer) = arrivals.next().await? else {
            anyhow::bail!("something else than the end of a request");
        };
        assert_eq!(answer, Err(RequestError::Timeout));
        ended += 1;
    }
    assert_eq!(native.client.requests_in_flight(), 0);
    assert_eq!(Arc::strong_count(&receiver), 1, "someone still holds the receiver");
    native.flush().await?;
    assert_eq!(native.client.statistics().reconnects, 0);
    Ok(())
}

#[tokio::test]
async fn many_that_lose_one_server_do_not_come_back_in_step() -> Result<()> {
    const CLIENTS: usize = 100;
    const OUTAGE: Duration = Duration::from_secs(5);
    const STEP: Duration = Duration::from_millis(100);
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let url = proxy.url();
    let connect = |number| {
        let url = url.clone();
        async move {
            Native::connect(&url, &format!("host-{number}"), |options| {
                options.reconnect_wait_max = Duration::from_secs(2);
            })
            .await
        }
    };
    let natives = try_join_all((0..CLIENTS).map(connect)).await?;
    let before = proxy.accepted();
    proxy.set(Mode::Refuse);
    proxy.reset();

    let begin = Instant::now();
    let mut pace = tokio::time::interval(STEP);
    let (mut seen, mut largest) = (before, 0);
    while begin.elapsed() < OUTAGE {
        pace.tick().await;
        let now = proxy.accepted();
        // The first attempts are at once; then waits grow, and spread.
        if begin.elapsed() > OUTAGE / 2 {
            largest = largest.max(now - seen);
        }
        seen = now;
    }
    let attempts = seen - before;
    ensure!(largest <= 60, "{largest} of {CLIENTS} within {STEP:?}");
    ensure!((200..=1_500).contains(&attempts), "{attempts} attempts by {CLIENTS} in {OUTAGE:?}");
    proxy.set(Mode::Pass);
    for native in &natives {
        native.log.reconnected(1).await?;
    }
    Ok(())
}
