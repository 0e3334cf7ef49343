//! A connection that breaks and comes back: what was subscribed, published and
//! asked for. Other servers are in `reliability_cluster`, and what a server
//! refuses is in `reliability_refusals`.

mod harness;
mod native;
mod patient;

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use async_nats::RequestErrorKind;
use futures_util::future::try_join_all;
use harness::asking::echo;
use harness::{Scene, connection_id, listen, next, next_text, round_trip, run_until_ready};
use native::Native;
use patient::{NAME, Patient};
use serde_json::{Value, json};
use test_support::{Mode, NatsServer, Proxy, eventually};

/// Subject and queue group of each subscription that the server has for a name.
async fn subscriptions(server: &NatsServer, name: &str) -> Result<BTreeSet<(String, String)>> {
    let connection = server.connection(name).await?.with_context(|| format!("no {name}"))?;
    let list = connection.get("subscriptions_list_detail").and_then(Value::as_array);
    let text = |entry: &Value, key: &str| {
        entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let pair = |entry| (text(entry, "subject"), text(entry, "qgroup"));
    Ok(list.into_iter().flatten().map(pair).collect())
}

// Subscriptions

#[tokio::test]
async fn a_connection_that_was_cut_comes_back_with_its_subscriptions() -> Result<()> {
    let patient = Patient::new().await?;
    let sid = patient.subscribe("news.*", None).await?;
    patient.subscribe("work", Some("workers")).await?;
    let before = subscriptions(&patient.scene.server, NAME).await?;
    ensure!(before.contains(&("work".into(), "workers".into())), "{before:?}");

    for time in 1..=3 {
        if time == 1 {
            patient.proxy.cut();
        } else {
            patient.proxy.reset();
        }
        patient.wait_for_event("reconnected", time).await?;
        patient.flush().await?;
        assert_eq!(subscriptions(&patient.scene.server, NAME).await?, before);
        patient.scene.client.publish("news.today", "".into()).await?;
        patient.probe.wait_until_seen(sid, time as u64).await?;
    }
    assert_eq!(patient.events("disconnected").await?.len(), 3);
    let statistics = patient.obey(json!({ "op": "statistics" })).await?;
    assert_eq!((&statistics["reconnects"], &statistics["subscriptions"]), (&json!(3), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_restarted_gets_all_subscriptions_again() -> Result<()> {
    let args = ["-A", "--name", "member", "--reconnect-wait-max", "50ms"];
    let mut scene = Scene::with(&["queue-workers"], &args).await?;
    let before = subscriptions(&scene.server, "member").await?;
    assert_eq!(before, BTreeSet::from([("jobs".into(), "crew".into())]));
    scene.server.restart().await?;
    scene.server.wait_for_subscriptions("member", &["jobs"]).await?;
    assert_eq!(subscriptions(&scene.server, "member").await?, before);

    let client = scene.server.client().await?;
    client.publish("jobs", "dig".into()).await?;
    round_trip(&client).await?;
    let done = |line: &str| line.contains("member: dig").then_some(());
    scene.host.log().wait_for("the job to be done", done).await
}

#[tokio::test]
async fn two_thousand_subscriptions_are_restored() -> Result<()> {
    const SUBSCRIPTIONS: u64 = 2_000;
    let patient = Patient::new().await?;
    let subscribe = async |number| {
        let subject = format!("many.{number}");
        patient.obey(json!({ "op": "subscribe", "subject": subject })).await
    };
    let sids = try_join_all((0..SUBSCRIPTIONS).map(subscribe)).await?;
    patient.flush().await?;
    let count = async || -> Result<Value> {
        let connection = patient.scene.server.connection(NAME).await?;
        Ok(connection.context("no connection")?["subscriptions"].clone())
    };
    assert_eq!(count().await?, SUBSCRIPTIONS);
    patient.proxy.reset();
    patient.wait_for_event("reconnected", 1).await?;
    patient.flush().await?;
    assert_eq!(count().await?, SUBSCRIPTIONS);

    for number in 0..SUBSCRIPTIONS {
        patient.scene.client.publish(format!("many.{number}"), "".into()).await?;
    }
    round_trip(&patient.scene.client).await?;
    patient.flush().await?;
    for sid in [&sids[0], &sids[1_999]] {
        let sid = sid.as_u64().context("no sid")?;
        assert_eq!(patient.probe.wait_until_seen(sid, 1).await?["count"], 1);
    }
    let statistics = patient.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["in_messages"], SUBSCRIPTIONS);
    Ok(())
}

#[tokio::test]
async fn a_maximum_counts_what_came_before_a_cut() -> Result<()> {
    let patient = Patient::new().await?;
    let (probe, client) = (&patient.probe, &patient.scene.client);
    let sid = patient.subscribe("news", None).await?;
    patient.obey(json!({ "op": "unsubscribe", "sid": sid, "max": 5 })).await?;
    patient.flush().await?;
    for (sent, expected) in [(2, 2), (1, 3), (20, 5)] {
        for _ in 0..sent {
            client.publish("news", "".into()).await?;
        }
        round_trip(client).await?;
        patient.flush().await?;
        assert_eq!(probe.wait_until_seen(sid, expected).await?["count"], expected);
        patient.take_down().await?;
        patient.bring_back().await?;
    }
    assert_eq!(patient.events("subscription-ended").await?.len(), 1);
    let left = subscriptions(&patient.scene.server, NAME).await?;
    assert_eq!(left, BTreeSet::new());
    Ok(())
}

#[tokio::test]
async fn an_unsubscribe_made_while_down_holds() -> Result<()> {
    let patient = Patient::new().await?;
    let gone = patient.subscribe("gone", None).await?;
    let spent = patient.subscribe("spent", None).await?;
    patient.scene.client.publish("spent", "".into()).await?;
    patient.probe.wait_until_seen(spent, 1).await?;
    patient.take_down().await?;
    patient.obey(json!({ "op": "unsubscribe", "sid": gone })).await?;
    patient.obey(json!({ "op": "unsubscribe", "sid": spent, "max": 1 })).await?;
    patient.obey(json!({ "op": "subscribe", "subject": "new" })).await?;
    patient.bring_back().await?;
    let left = subscriptions(&patient.scene.server, NAME).await?;
    assert_eq!(left, BTreeSet::from([("new".into(), String::new())]));
    Ok(())
}

#[tokio::test]
async fn a_connection_without_echo_stays_so_after_a_cut() -> Result<()> {
    let patient = Patient::new().await?;
    let url = patient.proxy.url();
    let connect = json!({ "op": "connect", "server": url, "name": "quiet", "no_echo": true });
    let quiet = patient.probe.obey(connect).await?;
    let addressed = |mut command: Value| {
        command["client"] = quiet.clone();
        patient.probe.obey(command)
    };
    let sid = addressed(json!({ "op": "subscribe", "subject": "talk" })).await?;
    let sid = sid.as_u64().context("the sid is no number")?;
    addressed(json!({ "op": "flush", "timeout_ms": 5000 })).await?;
    patient.take_down().await?;
    patient.bring_back().await?;
    patient.scene.server.wait_for_subscriptions("quiet", &["talk"]).await?;
    addressed(json!({ "op": "publish", "subject": "talk", "payload": "own" })).await?;
    addressed(json!({ "op": "flush", "timeout_ms": 5000 })).await?;
    patient.scene.client.publish("talk", "other".into()).await?;
    let seen = patient.probe.wait_until_seen(sid, 1).await?;
    assert_eq!((&seen["count"], &seen["last"][0]["payload"]), (&json!(1), &json!("other")));
    Ok(())
}

#[tokio::test]
async fn requests_find_their_answers_again_after_a_cut() -> Result<()> {
    let patient = Patient::new().await?;
    echo(&patient.scene.client, "service").await?;
    for time in 1..=3 {
        let payload = format!("question {time}");
        let ask = json!({ "op": "request_and_wait", "subject": "service", "payload": payload });
        let answers = patient.obey(ask).await?;
        assert_eq!(answers[0]["payload"], payload);
        assert_eq!(answers.as_array().map(Vec::len), Some(1));
        patient.proxy.reset();
        patient.wait_for_event("reconnected", time).await?;
    }
    let mut left = subscriptions(&patient.scene.server, NAME).await?.into_iter();
    let inbox = left.next().context("no inbox")?.0;
    ensure!(inbox.starts_with("requests.") && left.next().is_none(), "{inbox}");
    Ok(())
}

// Messages

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
        // More than it can send before the cut; it ends where it is refused.
        listener.publish("flood.go", u64::MAX.to_string().as_bytes()).await?;
        flood.text().await?;
        let lines = host.log().count();
        let cid = connection_id(&server, "flooder").await?;
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

// Requests

#[tokio::test]
async fn requests_under_way_at_a_cut_fail_at_once() -> Result<()> {
    let patient = Patient::new().await?;
    let client = &patient.scene.client;
    let mut silent = listen(client, "silent").await?;
    let mut answers = listen(client, "relay").await?;
    let request = json!({
        "op": "request", "relay": "relay", "subject": "silent", "timeout_ms": 600_000,
    });
    for _ in 0..10 {
        patient.obey(request.clone()).await?;
        next(&mut silent).await?;
    }
    let waiting = json!({
        "op": "request_and_wait", "subject": "silent", "timeout_ms": 600_000,
    });
    let cut = async {
        next(&mut silent).await?;
        patient.proxy.reset();
        Ok(())
    };
    let (outcome, ()) = tokio::try_join!(patient.outcome(waiting), cut)?;
    assert_eq!(outcome.err().context("there was an answer")?.kind, "ConnectionLost");
    for _ in 0..10 {
        let answer: Value = serde_json::from_str(&next_text(&mut answers).await?)?;
        assert_eq!(answer["error"]["kind"], "ConnectionLost");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_made_while_down_is_sent_later_or_times_out() -> Result<()> {
    let patient = Patient::new().await?;
    let client = &patient.scene.client;
    let mut asked = listen(client, "service").await?;
    let mut answers = listen(client, "relay").await?;
    patient.take_down().await?;
    let waiting = json!({ "op": "request_and_wait", "subject": "nobody", "timeout_ms": 200 });
    let error = patient.outcome(waiting).await?.err().context("there was an answer")?;
    assert_eq!(error.kind, "Timeout");

    let request = json!({
        "op": "request", "relay": "relay", "subject": "service", "timeout_ms": 600_000,
    });
    patient.obey(request).await?;
    patient.bring_back().await?;
    let request = next(&mut asked).await?;
    client.publish(request.reply.context("no reply subject")?, "done".into()).await?;
    let answer: Value = serde_json::from_str(&next_text(&mut answers).await?)?;
    assert_eq!(answer["message"]["payload"], "done");
    Ok(())
}

// Liveness

#[tokio::test]
async fn a_server_that_keeps_silent_is_left_although_the_plugin_publishes() -> Result<()> {
    let patient = Patient::with(&["--ping-interval", "200ms", "--max-pings-out", "2"]).await?;
    let mut ticks = listen(&patient.scene.client, "tick").await?;
    patient
        .obey(json!({
            "op": "set_timer", "relay": "tick", "delay_ms": 20, "repeat": true,
        }))
        .await?;
    next(&mut ticks).await?;
    patient.proxy.set(Mode::Blackhole);
    let reason = patient.wait_for_event("disconnected", 1).await?;
    assert_eq!(reason, format!("127.0.0.1:{}: the server does not answer", patient.proxy.port()));
    patient.proxy.set(Mode::Pass);
    patient.wait_for_event("reconnected", 1).await?;
    next(&mut ticks).await?;
    Ok(())
}

#[tokio::test]
async fn bytes_may_come_one_at_a_time() -> Result<()> {
    let patient = Patient::new().await?;
    let sid = patient.subscribe("slow.*", None).await?;
    patient.proxy.set(Mode::Chunks(1));
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "1");
    let client = &patient.scene.client;
    client.publish_with_reply_and_headers("slow.a", "b", headers, "\r\nMSG".into()).await?;
    client.publish("slow.b", "x".repeat(3_000).into()).await?;
    let seen = patient.probe.wait_until_seen(sid, 2).await?;
    assert_eq!(seen["last"][0]["payload"], "x".repeat(3_000));
    assert_eq!(seen["last"][1]["payload"], "\r\nMSG");
    assert_eq!(seen["last"][1]["headers"], json!([["Trace", "1"]]));

    patient.proxy.reset();
    patient.wait_for_event("reconnected", 1).await?;
    client.publish("slow.c", "".into()).await?;
    patient.flush().await?;
    patient.scene.client.publish("slow.c", "".into()).await?;
    let seen = patient.probe.wait_until_seen(sid, 3).await?;
    assert_eq!(seen["last"][0]["subject"], "slow.c");
    Ok(())
}
