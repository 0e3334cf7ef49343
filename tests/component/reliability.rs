//! A connection that breaks and comes back: what was subscribed and asked for. What
//! was published is in `reliability_messages`, other servers are in
//! `reliability_cluster`, and what a server refuses is in `reliability_refusals`.

mod harness;
mod patient;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use harness::asking::echo;
use harness::{Scene, listen, next, next_text, round_trip};
use patient::{NAME, Patient};
use serde_json::{Value, json};
use test_support::{Mode, NatsServer};

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
