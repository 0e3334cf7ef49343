//! What a server refuses, what it loses patience with, and a plugin that is too
//! slow: the connection stays or comes back, and the plugin is told.

mod harness;
mod patient;

use std::time::Duration;

use anyhow::{Context, Result};
use harness::{Scene, connection_id, listen, next, round_trip, run_until_ready};
use patient::{NAME, Patient};
use serde_json::{Value, json};
use test_support::{FakeServer, NatsServer, Proxy, Signal, eventually};

/// A server with the users `main`, which may do everything, and `patient`, with
/// these permissions.
fn users(password: &str, permissions: &str) -> String {
    format!(
        "authorization {{ users: [
            {{ user: main, password: main }}
            {{ user: patient, password: {password}, permissions: {{ {permissions} }} }}
        ] }}\nno_auth_user: main\n"
    )
}

async fn patient_with(password: &str, permissions: &str, args: &[&str]) -> Result<Patient> {
    let server = NatsServer::builder().config(users(password, permissions)).start().await?;
    let proxy = Proxy::start(server.address()).await?;
    Patient::between(server, proxy, "patient:first@", args).await
}

// Permissions and limits

#[tokio::test]
async fn a_subscription_that_the_server_refuses_ends_and_no_other() -> Result<()> {
    let patient = patient_with("first", "subscribe: { deny: [secret] }", &[]).await?;
    let cid = connection_id(&patient.scene.server, NAME).await?;
    let open = patient.subscribe("open", None).await?;
    let secret = patient.subscribe("secret", None).await?;
    let group = patient.subscribe("secret", Some("workers")).await?;
    for sid in [secret, group] {
        let ended = eventually("the subscription to end", async || {
            let all = patient.events("subscription-ended").await?;
            Ok(all.into_iter().find(|ended| ended[0] == sid))
        });
        let why = ended.await?[1].as_str().context("no reason")?.to_owned();
        assert!(why.contains("Permissions Violation for Subscription to \"secret\""), "{why}");
    }
    patient.scene.client.publish("open", "".into()).await?;
    patient.probe.wait_until_seen(open, 1).await?;
    assert_eq!(connection_id(&patient.scene.server, NAME).await?, cid);

    // Nor are they asked for again.
    patient.proxy.reset();
    patient.wait_for_event("reconnected", 1).await?;
    patient.flush().await?;
    patient.scene.server.wait_for_subscriptions(NAME, &["open"]).await?;
    assert_eq!(patient.events("subscription-ended").await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_publish_that_the_server_refuses_is_told_and_the_next_one_arrives() -> Result<()> {
    let patient = patient_with("first", "publish: { deny: [secret] }", &[]).await?;
    let cid = connection_id(&patient.scene.server, NAME).await?;
    let mut all = listen(&patient.scene.client, ">").await?;
    patient.publish("secret", "hidden").await?;
    patient.publish("open", "shown").await?;
    let refused = patient.wait_for_event("publish-refused", 1).await?;
    assert_eq!(refused[0], "secret");
    loop {
        let message = next(&mut all).await?;
        assert_ne!(message.subject.as_str(), "secret");
        if message.subject.as_str() == "open" {
            break;
        }
    }
    assert_eq!(connection_id(&patient.scene.server, NAME).await?, cid);
    Ok(())
}

#[tokio::test]
async fn answers_that_the_server_refuses_end_the_request() -> Result<()> {
    let patient = patient_with("first", "subscribe: { deny: [\"requests.>\"] }", &[]).await?;
    let cid = connection_id(&patient.scene.server, NAME).await?;
    let mut asked = listen(&patient.scene.client, "service").await?;
    let request = json!({
        "op": "request_and_wait", "subject": "service", "timeout_ms": 600_000,
    });
    let error = patient.outcome(request).await?.err().context("there was an answer")?;
    assert_eq!(error.kind, "PermissionDenied");
    next(&mut asked).await?;
    assert_eq!(connection_id(&patient.scene.server, NAME).await?, cid);
    Ok(())
}

#[tokio::test]
async fn a_permission_taken_away_ends_its_subscription() -> Result<()> {
    let patient = patient_with("first", "subscribe: { allow: [\">\"] }", &[]).await?;
    let first = patient.subscribe("secret", None).await?;
    let second = patient.subscribe("secret", None).await?;
    let open = patient.subscribe("open", None).await?;
    patient.scene.server.reload(&users("first", "subscribe: { deny: [secret] }")).await?;
    patient.wait_for_event("subscription-ended", 2).await?;
    let ended = patient.events("subscription-ended").await?;
    let mut ended: Vec<_> = ended.iter().map(|ended| ended[0].clone()).collect();
    ended.sort_unstable_by_key(Value::as_u64);
    assert_eq!(ended, [json!(first), json!(second)]);
    patient.scene.client.publish("open", "".into()).await?;
    patient.probe.wait_until_seen(open, 1).await?;
    Ok(())
}

#[tokio::test]
async fn one_subscription_too_many_is_told_and_ends_nothing_else() -> Result<()> {
    let config = users("first", "").replace("permissions: {  }", "") + "max_subscriptions: 3\n";
    let server = NatsServer::builder().config(config).start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let patient = Patient::between(server, proxy, "patient:first@", &[]).await?;
    let cid = connection_id(&patient.scene.server, NAME).await?;
    let first = patient.subscribe("many.0", None).await?;
    for number in 1..4 {
        patient.subscribe(&format!("many.{number}"), None).await?;
    }
    let text = patient.wait_for_event("server-error", 1).await?;
    assert_eq!(text, "maximum subscriptions exceeded");
    patient.scene.client.publish("many.0", "".into()).await?;
    patient.probe.wait_until_seen(first, 1).await?;
    assert_eq!(connection_id(&patient.scene.server, NAME).await?, cid);
    Ok(())
}

#[tokio::test]
async fn an_error_that_nobody_knows_ends_nothing() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let fake = FakeServer::start().await?;
    let connect = json!({ "op": "connect", "server": fake.url(), "name": "guest" });
    let (_, mut connection) = tokio::try_join!(probe.obey(connect), fake.accept_client())?;
    connection.send("-ERR 'Moon In Wrong Phase'\r\n").await?;
    connection.expect_silence().await?;
    let text = probe.wait_for_event(1, "server-error").await?;
    assert_eq!(text, "Moon In Wrong Phase");
    let status = probe.obey(json!({ "op": "status", "client": 1 })).await?;
    assert_eq!(status, "connected");
    Ok(())
}

// Logging in

#[tokio::test]
async fn a_login_that_became_wrong_is_tried_twice_and_no_more() -> Result<()> {
    let patient = patient_with("first", "", &[]).await?;
    assert_eq!(patient.proxy.accepted(), 1);
    patient.scene.server.reload(&users("second", "")).await?;
    let reason = patient.wait_for_event("closed", 1).await?;
    let reason = reason.as_str().context("no reason")?;
    assert!(reason.contains("Authorization Violation"), "{reason}");
    assert_eq!(patient.proxy.accepted(), 1 + 2, "tries after the first connection");
    let refused = patient.outcome(json!({ "op": "publish", "subject": "x" })).await?;
    assert_eq!(refused.err().context("it was taken")?.kind, "Closed");
    Ok(())
}

#[tokio::test]
async fn a_wrong_login_is_tried_for_ever_if_that_is_wanted() -> Result<()> {
    let patient = patient_with("first", "", &["--retry-failed-login"]).await?;
    let sid = patient.subscribe("news", None).await?;
    patient.scene.server.reload(&users("second", "")).await?;
    eventually("more tries", async || Ok((patient.proxy.accepted() > 5).then_some(()))).await?;
    patient.scene.server.reload(&users("first", "")).await?;
    patient.wait_for_event("reconnected", 1).await?;
    patient.flush().await?;
    patient.scene.client.publish("news", "".into()).await?;
    patient.probe.wait_until_seen(sid, 1).await?;
    assert_eq!(patient.events("closed").await?, [] as [Value; 0]);
    Ok(())
}

#[tokio::test]
async fn a_server_too_busy_to_log_in_is_tried_again() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--reconnect-wait-max", "50ms"]).await?;
    let probe = scene.probe();
    let fake = FakeServer::start().await?;
    let connect = json!({ "op": "connect", "server": fake.url(), "name": "guest" });
    let (_, connection) = tokio::try_join!(probe.obey(connect), fake.accept_client())?;
    drop(connection);
    for error in ["Authentication Timeout", "maximum connections exceeded"] {
        for _ in 0..3 {
            let mut connection = fake.accept().await?;
            connection.send(format!("INFO {}\r\n", test_support::INFO)).await?;
            connection.connect().await?;
            connection.send(format!("-ERR '{error}'\r\n")).await?;
        }
    }
    let _connection = fake.accept_client().await?;
    probe.wait_for_event(1, "reconnected").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_up_on_everybody_is_not_besieged() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let fake = FakeServer::start().await?;
    let connect = json!({ "op": "connect", "server": fake.url(), "name": "guest" });
    let (_, connection) = tokio::try_join!(probe.obey(connect), fake.accept_client())?;
    drop(connection);
    let besieged = async {
        for _ in 0..100 {
            fake.accept_client().await?;
        }
        anyhow::Ok(())
    };
    let besieged = tokio::time::timeout(Duration::from_secs(2), besieged).await;
    assert!(besieged.is_err(), "100 connections in less than 2 seconds");
    Ok(())
}

// Too slow

#[tokio::test]
async fn a_full_mailbox_drops_and_counts_and_the_maximum_still_ends_it() -> Result<()> {
    const KEPT: u64 = 65_536;
    const SENT: u64 = KEPT + 1_000;
    let scene = Scene::of(&["probe"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("flood", None).await?;
    let calm = probe.subscribe("calm", None).await?;
    let limit = json!({ "op": "unsubscribe", "sid": sid, "max": SENT + 1 });
    probe.obey(limit).await?;
    let mut service = listen(client, "service").await?;
    let busy = json!({ "op": "request_and_wait", "subject": "service", "timeout_ms": 20_000 });
    let flood = async {
        let request = next(&mut service).await?;
        for number in 0..SENT {
            client.publish("flood", number.to_string().into()).await?;
        }
        client.publish("calm", "there is room for this".into()).await?;
        // Behind the flood, so the mailbox has been full when the wait ends.
        client.publish(request.reply.context("no reply subject")?, "".into()).await?;
        anyhow::Ok(())
    };
    tokio::try_join!(probe.obey(busy), flood)?;
    let seen = probe.wait_until_seen(sid, KEPT).await?;
    assert_eq!(seen["count"], KEPT);
    assert_eq!(seen["last"][0]["payload"], (KEPT - 1).to_string());
    let slow = probe.obey(json!({ "op": "events" })).await?;
    let slow = slow.as_array().into_iter().flatten();
    let slow: Vec<_> = slow.filter(|event| event["kind"] == "slow-consumer").collect();
    assert_eq!(slow.len(), 1, "{slow:?}");
    assert_eq!(slow[0]["detail"], json!([sid, SENT - KEPT]));
    assert_eq!(probe.seen(calm).await?["count"], 1);
    let pending = probe.obey(json!({ "op": "pending", "sid": sid })).await?;
    assert_eq!(pending["dropped"], SENT - KEPT);
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["dropped_messages"], SENT - KEPT);

    // What was dropped counts towards the maximum.
    client.publish("flood", "last".into()).await?;
    let ended = probe.wait_for_event(0, "subscription-ended").await?;
    assert_eq!(ended[0], sid);
    assert_eq!(probe.seen(sid).await?["last"][0]["payload"], "last");
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["dropped_messages"], SENT - KEPT, "the counter shrank");
    Ok(())
}

#[tokio::test]
async fn each_burst_that_is_too_large_is_told_of_once() -> Result<()> {
    const KEPT: usize = 100;
    const SENT: usize = KEPT + 50;
    let limit = KEPT.to_string();
    let scene = Scene::with(&["probe"], &["-A", "--max-pending-messages", &limit]).await?;
    let probe = scene.probe();
    let fake = FakeServer::start().await?;
    let connect = json!({ "op": "connect", "server": fake.url(), "name": "guest" });
    let (_, mut connection) = tokio::try_join!(probe.obey(connect), fake.accept_client())?;
    let subscribe = json!({ "op": "subscribe", "client": 1, "subject": "bursts" });
    let sid = probe.obey(subscribe).await?.as_u64().context("the sid is no number")?;
    let line = connection.line().await?;
    let remote = line.strip_prefix("SUB bursts ").with_context(|| line.clone())?;
    // One write, which is read at once: so the guest takes nothing meanwhile.
    let burst = format!("MSG bursts {remote} 0\r\n\r\n").repeat(SENT);
    for bursts in 1..=3 {
        connection.send(&burst).await?;
        probe.wait_until_seen(sid, (bursts * KEPT) as u64).await?;
        let events = probe.obey(json!({ "op": "events" })).await?;
        let events = events.as_array().into_iter().flatten();
        let slow = events.filter(|event| event["kind"] == "slow-consumer");
        let slow: Vec<_> = slow.map(|event| event["detail"].clone()).collect();
        assert_eq!(slow, vec![json!([sid, SENT - KEPT]); bursts]);
        let pending = probe.obey(json!({ "op": "pending", "sid": sid })).await?;
        assert_eq!(pending["delivered"], bursts * KEPT);
        assert_eq!(pending["dropped"], bursts * (SENT - KEPT));
    }
    Ok(())
}

#[tokio::test]
async fn a_host_that_stood_still_until_the_server_hung_up_comes_back() -> Result<()> {
    let config = "max_pending: 1MB\nwrite_deadline: \"500ms\"\n";
    let server = NatsServer::builder().config(config).start().await?;
    let host = run_until_ready(&server.url(), &["counter"], &["-A", "--name", "frozen"]).await?;
    let client = server.client().await?;
    let cid = connection_id(&server, "frozen").await?;
    host.signal(Signal::STOP)?;
    let flood = tokio::spawn({
        let client = client.clone();
        async move {
            for number in 0_u64.. {
                // A JSON number may have spaces before it.
                client.publish("counter.in", format!("{number:>16000}").into()).await?;
                if number % 50 == 0 {
                    round_trip(&client).await?;
                }
            }
            anyhow::Ok(())
        }
    });
    let gone = |line: &str| line.contains("Slow Consumer Detected").then_some(());
    server.log().wait_for("the server to hang up", gone).await?;
    flood.abort();
    host.signal(Signal::CONT)?;
    eventually("the host to be back", async || {
        let connection = server.connection("frozen").await?;
        Ok(connection.filter(|one| one["cid"] != cid && one["subscriptions"] == 2))
    })
    .await?;
    client.publish("counter.in", u64::MAX.to_string().into()).await?;
    let report = client.request("counter.report", "".into()).await?;
    let report: Value = serde_json::from_slice(&report.payload)?;
    assert_eq!((&report["last"], &report["ordered"]), (&json!(u64::MAX), &json!(true)));
    Ok(())
}
