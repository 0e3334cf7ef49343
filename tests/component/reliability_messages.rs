//! What is published over a connection that breaks and comes back: once, in order, or
//! told to be lost.

mod harness;
mod native;
mod patient;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::RequestErrorKind;
use harness::{connection_id, listen, next_text, round_trip, run_until_ready};
use native::Native;
use patient::Patient;
use serde_json::{Value, json};
use test_support::{Mode, NatsServer, Proxy, eventually};
#[tokio::test]
async fn messages_stay_in_order_while_the_connection_is_reset_again_and_again() -> Result<()> {
    const RESETS: usize = 10;
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let args = ["-A", "--name", "busy", "--reconnect-wait-max", "50ms"];
    let host = run_until_ready(&proxy.url(), &["counter"], &args).await?;
    let client = server.client().await?;
    let sender = tokio::spawn({
        let client = client.clone();
        async move {
            for number in 0_u64.. {
                client.publish("counter.in", number.to_string().into()).await?;
                if number % 100 == 0 {
                    round_trip(&client).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    // A report can be asked for once the subscriptions are there again.
    let report = async || -> Result<Option<Value>> {
        match client.request("counter.report", "".into()).await {
            Ok(report) => Ok(Some(serde_json::from_slice(&report.payload)?)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let mut count = 0;
    for time in 0..RESETS {
        count = eventually(&format!("messages after {time} resets"), async || {
            let now = report().await?.and_then(|report| report["count"].as_u64());
            Ok(now.filter(|now| *now > count))
        })
        .await?;
        let resets = host.log().count();
        proxy.reset();
        let back = |line: &str| line.contains("\"reconnected\"").then_some(());
        host.log().wait_from(resets, "the connection to be back", back).await?;
    }
    sender.abort();
    server.wait_for_subscriptions("busy", &["counter.in", "counter.report"]).await?;
    client.publish("counter.in", u64::MAX.to_string().into()).await?;
    let report = report().await?.context("nobody reports")?;
    assert_eq!((&report["last"], &report["ordered"]), (&json!(u64::MAX), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn what_is_published_while_down_arrives_once_and_in_order() -> Result<()> {
    const MESSAGES: u64 = 300;
    let patient = Patient::new().await?;
    let own = patient.subscribe("down.>", None).await?;
    let mut down = listen(&patient.scene.client, "down.>").await?;
    patient.take_down().await?;
    for number in 0..MESSAGES {
        patient.publish("down.x", &number.to_string()).await?;
    }
    patient.bring_back().await?;
    patient.publish("down.x", "last").await?;
    for number in 0..MESSAGES {
        assert_eq!(next_text(&mut down).await?, number.to_string());
    }
    assert_eq!(next_text(&mut down).await?, "last");
    // They were sent behind the subscriptions, so it hears itself.
    let seen = patient.probe.wait_until_seen(own, MESSAGES + 1).await?;
    assert_eq!(seen["count"], MESSAGES + 1);
    assert_eq!(seen["last"][0]["payload"], "last");
    Ok(())
}

#[tokio::test]
async fn what_is_published_while_a_server_is_restarted_arrives_there() -> Result<()> {
    let mut broken = NatsServer::start().await?;
    let proxy = Proxy::start(broken.address()).await?;
    let patient = Patient::between(NatsServer::start().await?, proxy, "", &[]).await?;
    patient.proxy.set(Mode::Refuse);
    broken.kill().await?;
    patient.wait_for_event("disconnected", 1).await?;
    for number in 0..100 {
        patient.publish("down", &number.to_string()).await?;
    }
    broken.start_again().await?;
    let mut down = listen(&broken.client().await?, "down").await?;
    patient.bring_back().await?;
    for number in 0..100 {
        assert_eq!(next_text(&mut down).await?, number.to_string());
    }
    Ok(())
}

#[tokio::test]
async fn past_the_bound_a_publish_while_down_is_refused_and_nothing_is_lost() -> Result<()> {
    const SIZE: usize = 500_000;
    let patient = Patient::new().await?;
    let mut down = listen(&patient.scene.client, "down").await?;
    patient.take_down().await?;
    let mut kept = 0;
    let refused = loop {
        let payload = padded(kept, SIZE);
        let command = json!({ "op": "publish", "subject": "down", "payload": payload });
        match patient.outcome(command).await? {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        ensure!(kept < 100, "{kept} messages of {SIZE} bytes were kept");
    };
    assert_eq!((refused.kind.as_str(), kept), ("BufferFull", 16), "8 MiB are kept");
    patient.bring_back().await?;
    patient.publish("down", "again").await?;
    for number in 0..kept {
        assert_eq!(next_text(&mut down).await?, padded(number, SIZE));
    }
    assert_eq!(next_text(&mut down).await?, "again");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_floods_without_a_server_takes_no_memory_without_end() -> Result<()> {
    const MOST: u64 = 64 << 20;
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let args = ["-A", "--name", "flooder", "--reconnect-wait-max", "50ms"];
    let host = run_until_ready(&proxy.url(), &["flood"], &args).await?;
    let listener = Native::connect(&server.url(), "listener", |_| {}).await?;
    let mut flood = listener.subscribe("flood.out")?;
    listener.flush().await?;
    let begin = host.resident_bytes()?;
    for _ in 0..3 {
        let lines = host.log().count();
        let cid = connection_id(&server, "flooder").await?;
        // More than it can send before the cut; it ends where it is refused.
        listener.publish("flood.go", u64::MAX.to_string().as_bytes()).await?;
        flood.text().await?;
        // At once: all that it sends until then has to be read.
        proxy.set(Mode::Refuse);
        proxy.reset();
        let lost = |line: &str| line.contains("\"disconnected").then_some(());
        host.log().wait_from(lines, "the cut to be noticed", lost).await?;
        let grown = host.resident_bytes()?.saturating_sub(begin);
        ensure!(grown < MOST, "{grown} bytes more than in the beginning");

        proxy.set(Mode::Pass);
        // While it reads what was sent, the server still takes the old one for alive,
        // and would give it the next message.
        eventually("the old connection to be gone", async || {
            let connection = server.connection("flooder").await?;
            Ok(connection.filter(|one| one["cid"] != cid))
        })
        .await?;
        server.wait_for_subscriptions("flooder", &["flood.go"]).await?;
        // What waited comes behind what had been sent, until the next flood.
        listener.publish("flood.go", b"1").await?;
        let mut last = 0;
        loop {
            let number: u64 = flood.text().await?.parse()?;
            if number == 0 {
                break;
            }
            ensure!(number > last, "{number} came after {last}");
            last = number;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_drain_while_down_loses_nothing_and_is_told() -> Result<()> {
    let patient = Patient::new().await?;
    patient.subscribe("news", None).await?;
    let mut down = listen(&patient.scene.client, "down").await?;
    patient.take_down().await?;
    for number in 0..10 {
        patient.publish("down", &number.to_string()).await?;
    }
    patient.obey(json!({ "op": "drain" })).await?;
    patient.proxy.set(Mode::Pass);
    for number in 0..10 {
        assert_eq!(next_text(&mut down).await?, number.to_string());
    }
    patient.wait_for_event("drained", 1).await?;
    patient.wait_for_event("closed", 1).await.map(drop)
}

#[tokio::test]
async fn what_was_half_written_at_a_cut_is_not_sent_twice() -> Result<()> {
    const SIZE: usize = 60_000;
    let patient = Patient::new().await?;
    let mut flood = listen(&patient.scene.client, "flood").await?;
    for _ in 0..3 {
        patient.proxy.set(Mode::Blackhole);
        // More than the network takes, and less than the host keeps.
        for number in 0..130 {
            patient.publish("flood", &padded(number, SIZE)).await?;
        }
        patient.take_down().await?;
        patient.bring_back().await?;
        patient.publish("flood", &padded(1_000, SIZE)).await?;
        let mut last = None;
        while last != Some(1_000) {
            let text = next_text(&mut flood).await?;
            assert_eq!(text.len(), SIZE);
            let number = text.trim_start().parse::<usize>()?;
            ensure!(last < Some(number), "{number} came after {last:?}");
            last = Some(number);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_killed_in_mid_flood_again_and_again_gets_nothing_twice() -> Result<()> {
    const KILLS: usize = 20;
    let mut broken = NatsServer::start().await?;
    let proxy = Proxy::start(broken.address()).await?;
    let patient = Patient::between(NatsServer::start().await?, proxy, "", &[]).await?;
    let quick = async_nats::ConnectOptions::new();
    let quick = quick.reconnect_delay_callback(|_| Duration::from_millis(10));
    let mut flood = listen(&broken.client_with(quick).await?, "flood").await?;

    let commander = patient.scene.client.clone();
    let commands = tokio::spawn(async move {
        for number in 0_u64.. {
            let command = json!({
                "op": "publish", "client": 1, "subject": "flood", "payload": number.to_string(),
            });
            commander.publish("probe.cmd", command.to_string().into()).await?;
            if number % 500 == 0 {
                round_trip(&commander).await?;
            }
        }
        anyhow::Ok(())
    });
    let mut last = None;
    for _ in 0..KILLS {
        broken.restart().await?;
        // What the servers before had still sent is checked too.
        let restarted: u64 = next_number(&mut flood, &mut last).await?;
        while next_number(&mut flood, &mut last).await? < restarted + 1_000 {}
    }
    ensure!(!commands.is_finished(), "the flood has ended: {:?}", commands.await);
    commands.abort();
    Ok(())
}

/// A number as a text of this size.
fn padded(number: usize, size: usize) -> String {
    let number = number.to_string();
    " ".repeat(size - number.len()) + &number
}

/// The next number of a flood, which must be higher than the last.
async fn next_number(flood: &mut async_nats::Subscriber, last: &mut Option<u64>) -> Result<u64> {
    let number: u64 = next_text(flood).await?.parse()?;
    ensure!(*last < Some(number), "{number} came after {last:?}");
    *last = Some(number);
    Ok(number)
}
