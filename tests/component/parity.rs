//! The vocabulary of a NATS client, as a plugin has it: subscribing, publishing
//! and ending. Names and addresses are in `connecting`, requests in `requests`.

use anyhow::{Context, Result};
use futures_util::{FutureExt, StreamExt};
use serde_json::json;
use test_support::eventually;

use crate::harness::{GuestError, Scene, connection_id, listen, next, round_trip};

fn kind(error: &GuestError) -> &str {
    &error.kind
}

// Subscribing

#[tokio::test]
async fn a_subscription_gets_what_its_pattern_matches() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let star = probe.subscribe("a.*.c", None).await?;
    let rest = probe.subscribe("a.>", None).await?;
    for subject in ["a.b.c", "a.b.c.d", "a.x", "a", "b.b.c"] {
        client.publish(subject, subject.into()).await?;
    }
    round_trip(client).await?;
    probe.flush().await?;
    let star = probe.seen(star).await?;
    assert_eq!((&star["count"], &star["last"][0]["subject"]), (&json!(1), &json!("a.b.c")));
    assert_eq!(probe.seen(rest).await?["count"], 3);
    Ok(())
}

#[tokio::test]
async fn a_message_has_all_its_parts() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("parts.*", None).await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.append("Trace", "1");
    headers.append("Trace", "2");
    client
        .publish_with_reply_and_headers("parts.all", "answer.here", headers, "hello".into())
        .await?;
    let all = probe.wait_until_seen(sid, 1).await?["last"][0].clone();
    let expected = json!({
        "sid": sid, "subject": "parts.all", "reply_to": "answer.here",
        "headers": [["Trace", "1"], ["Trace", "2"]], "status": null, "payload": "hello",
    });
    assert_eq!(all, expected);

    client.publish("parts.none", "".into()).await?;
    let none = probe.wait_until_seen(sid, 2).await?["last"][0].clone();
    let expected = json!({
        "sid": sid, "subject": "parts.none", "reply_to": null,
        "headers": [], "status": null, "payload": "",
    });
    assert_eq!(none, expected);
    Ok(())
}

#[tokio::test]
async fn a_status_line_arrives_as_status() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let sid = probe.subscribe("my.answers", None).await?;
    // A server that knows of nobody who listens says so to the reply subject.
    probe
        .obey(json!({ "op": "publish", "subject": "nobody.here", "reply_to": "my.answers" }))
        .await?;
    let message = probe.wait_until_seen(sid, 1).await?["last"][0].clone();
    assert_eq!(message["status"], json!([503, ""]));
    assert_eq!(message["headers"], json!([["Nats-Subject", "nobody.here"]]));
    assert_eq!(message["payload"], "");
    Ok(())
}

#[tokio::test]
async fn members_of_a_queue_group_share_messages() -> Result<()> {
    const MESSAGES: u64 = 200;
    let scene = Scene::with(&["probe"], &["-A", "--name", "member"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("work", Some("workers")).await?;
    let connection = scene.server.connection("member").await?.context("no connection")?;
    let subscriptions = connection["subscriptions_list_detail"].as_array().context("no list")?;
    let work = subscriptions.iter().find(|one| one["subject"] == "work").context("no work")?;
    assert_eq!(work["qgroup"], "workers");

    let mut other = client.queue_subscribe("work", "workers".to_owned()).await?;
    round_trip(client).await?;
    for number in 0..MESSAGES {
        client.publish("work", number.to_string().into()).await?;
    }
    round_trip(client).await?;
    probe.flush().await?;
    let mut of_other = 0;
    while let Some(Some(_)) = other.next().now_or_never() {
        of_other += 1;
    }
    let of_probe = probe.seen(sid).await?["count"].as_u64().context("no count")?;
    assert_eq!(of_probe + of_other, MESSAGES);
    assert!(of_probe > 0 && of_other > 0, "{of_probe} and {of_other}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_subject_is_never_sent() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "sender"]).await?;
    let probe = scene.probe();
    let cid = connection_id(&scene.server, "sender").await?;
    for bad in ["", "a b", "a..b", ".a", "a.", "a\r\nPUB x 0\r\n", "a\tb", "a.>.b"] {
        let error = probe.refuse(json!({ "op": "subscribe", "subject": bad })).await?;
        assert_eq!(kind(&error), "SubjectInvalid", "{bad:?}");
        let error = probe.refuse(json!({ "op": "publish", "subject": bad })).await?;
        assert_eq!(kind(&error), "SubjectInvalid", "{bad:?}");
        let command = json!({ "op": "publish", "subject": "a", "reply_to": bad });
        assert_eq!(kind(&probe.refuse(command).await?), "SubjectInvalid", "{bad:?}");
    }
    for wildcard in ["a.*", "a.>"] {
        let error = probe.refuse(json!({ "op": "publish", "subject": wildcard })).await?;
        assert_eq!(kind(&error), "SubjectInvalid", "{wildcard:?}");
    }
    for bad in ["", "a b", "a\r\n"] {
        let command = json!({ "op": "subscribe", "subject": "a", "queue": bad });
        assert_eq!(kind(&probe.refuse(command).await?), "NameInvalid", "{bad:?}");
    }
    for (name, value) in [("a b", "x"), ("a:b", "x"), ("", "x"), ("a", "x\r\nb: y"), ("ä", "x")] {
        let command = json!({ "op": "publish", "subject": "a", "headers": [[name, value]] });
        assert_eq!(kind(&probe.refuse(command).await?), "HeaderInvalid", "{name:?}");
    }
    assert_eq!(connection_id(&scene.server, "sender").await?, cid);
    Ok(())
}

#[tokio::test]
async fn unsubscribe_ends_a_subscription_now() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "leaver"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("news", None).await?;
    client.publish("news", "1".into()).await?;
    probe.wait_until_seen(sid, 1).await?;
    probe.obey(json!({ "op": "unsubscribe", "sid": sid })).await?;
    scene.server.wait_for_subscriptions("leaver", &["probe.cmd"]).await?;
    client.publish("news", "2".into()).await?;
    round_trip(client).await?;
    probe.flush().await?;
    assert_eq!(probe.seen(sid).await?["count"], 1);

    for op in ["unsubscribe", "pending", "drain_subscription"] {
        let error = probe.refuse(json!({ "op": op, "sid": sid })).await?;
        assert_eq!(kind(&error), "UnknownSubscription", "{op}");
    }
    assert_ne!(probe.subscribe("news", None).await?, sid, "numbers are not used twice");
    Ok(())
}

#[tokio::test]
async fn a_maximum_counts_from_the_begin_of_a_subscription() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "counting"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("news", None).await?;
    let send = async |count: u32| {
        for number in 0..count {
            client.publish("news", number.to_string().into()).await?;
        }
        round_trip(client).await?;
        probe.flush().await
    };
    send(2).await?;
    probe.wait_until_seen(sid, 2).await?;
    probe.obey(json!({ "op": "unsubscribe", "sid": sid, "max": 5 })).await?;
    probe.flush().await?;
    send(10).await?;
    assert_eq!(probe.seen(sid).await?["count"], 5);
    let ended = probe.wait_for_event(0, "subscription-ended").await?;
    assert_eq!(ended[0], sid);
    scene.server.wait_for_subscriptions("counting", &["probe.cmd"]).await?;

    let sid = probe.subscribe("news", None).await?;
    send(3).await?;
    probe.obey(json!({ "op": "unsubscribe", "sid": sid, "max": 2 })).await?;
    send(1).await?;
    assert_eq!(probe.seen(sid).await?["count"], 3, "it had more than its maximum already");
    let gone = probe.refuse(json!({ "op": "pending", "sid": sid })).await?;
    assert_eq!(kind(&gone), "UnknownSubscription");
    Ok(())
}

// Publishing

#[tokio::test]
async fn a_published_message_has_its_reply_subject_and_headers() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut all = listen(&scene.client, "out.>").await?;
    probe.obey(json!({ "op": "publish", "subject": "out.plain", "payload": "1" })).await?;
    let plain = next(&mut all).await?;
    assert_eq!((plain.subject.as_str(), plain.payload.as_ref()), ("out.plain", &b"1"[..]));
    assert!(plain.reply.is_none() && plain.headers.is_none(), "{plain:?}");

    let headers = json!([["Trace", "1"], ["Trace", "2"], ["trace", "3"]]);
    probe
        .obey(json!({
            "op": "publish", "subject": "out.all", "payload": "2",
            "reply_to": "answer.here", "headers": headers,
        }))
        .await?;
    let all = next(&mut all).await?;
    assert_eq!(all.payload.as_ref(), b"2");
    assert_eq!(all.reply.as_deref(), Some("answer.here"));
    let headers = all.headers.context("no headers")?;
    let values = |name: &str| headers.get_all(name).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (values("Trace"), values("trace")),
        (vec!["1".into(), "2".into()], vec!["3".into()])
    );
    Ok(())
}

#[tokio::test]
async fn what_one_callback_publishes_arrives_in_order() -> Result<()> {
    const MESSAGES: u32 = 5_000;
    let scene = Scene::of(&["flood"]).await?;
    let mut out = listen(&scene.client, "flood.out").await?;
    let taken = scene.client.request("flood.go", MESSAGES.to_string().into()).await?;
    assert_eq!(taken.payload, MESSAGES.to_string());
    for expected in 0..MESSAGES {
        assert_eq!(next(&mut out).await?.payload, expected.to_string());
    }
    Ok(())
}

// Ending

#[tokio::test]
async fn close_sends_what_was_published_and_ends_the_connection() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut last = listen(&scene.client, "last.words").await?;
    let client = probe.obey(json!({ "op": "connect", "name": "short" })).await?;
    probe.obey(json!({ "op": "subscribe", "client": client, "subject": "x" })).await?;
    probe
        .obey(
            json!({ "op": "publish", "client": client, "subject": "last.words", "payload": "bye" }),
        )
        .await?;
    probe.obey(json!({ "op": "close", "client": client })).await?;
    assert_eq!(next(&mut last).await?.payload.as_ref(), b"bye");
    let gone = scene.server.wait_for("the connection to end", |page| {
        let all = page["connections"].as_array()?;
        all.iter().all(|one| one["name"] != "short").then_some(())
    });
    gone.await?;
    probe.wait_for_event(1, "closed").await?;
    assert_eq!(probe.obey(json!({ "op": "status", "client": client })).await?, "closed");
    for command in [
        json!({ "op": "publish", "client": client, "subject": "x" }),
        json!({ "op": "subscribe", "client": client, "subject": "x" }),
        json!({ "op": "flush", "client": client, "timeout_ms": 1000 }),
    ] {
        assert_eq!(kind(&probe.refuse(command.clone()).await?), "Closed", "{command}");
    }
    probe.obey(json!({ "op": "close", "client": client })).await?;
    Ok(())
}

#[tokio::test]
async fn drain_delivers_what_was_sent_and_then_ends_the_connection() -> Result<()> {
    const MESSAGES: u64 = 5_000;
    let scene = Scene::of(&["probe"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let index = probe.obey(json!({ "op": "connect", "name": "draining" })).await?;
    let subscribe = json!({ "op": "subscribe", "client": index, "subject": "drops" });
    let sid = probe.obey(subscribe).await?.as_u64().context("no sid")?;
    probe.obey(json!({ "op": "flush", "client": index, "timeout_ms": 5000 })).await?;
    for number in 0..MESSAGES {
        client.publish("drops", number.to_string().into()).await?;
    }
    round_trip(client).await?;
    probe.obey(json!({ "op": "drain", "client": index })).await?;
    probe.wait_for_event(1, "drained").await?;
    assert_eq!(probe.seen(sid).await?["count"], MESSAGES);
    let closed = eventually("the connection to close", async || {
        let status = probe.obey(json!({ "op": "status", "client": index })).await?;
        Ok((status == "closed").then_some(()))
    });
    closed.await?;
    assert!(scene.server.connection("draining").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_drained_subscription_delivers_what_was_sent_and_then_ends() -> Result<()> {
    const MESSAGES: u64 = 5_000;
    let scene = Scene::with(&["probe"], &["-A", "--name", "drainer"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("drops", None).await?;
    for number in 0..MESSAGES {
        client.publish("drops", number.to_string().into()).await?;
    }
    round_trip(client).await?;
    probe.obey(json!({ "op": "drain_subscription", "sid": sid })).await?;
    let ended = probe.wait_for_event(0, "subscription-ended").await?;
    assert_eq!(ended[0], sid);
    assert_eq!(probe.seen(sid).await?["count"], MESSAGES);
    scene.server.wait_for_subscriptions("drainer", &["probe.cmd"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_clean_stop_loses_nothing_that_was_delivered() -> Result<()> {
    const REQUESTS: u32 = 5_000;
    let scene = Scene::of(&["echo"]).await?;
    let client = scene.client.clone();
    let mut answers = listen(&client, "answers").await?;
    for number in 0..REQUESTS {
        client.publish_with_reply("echo", "answers", number.to_string().into()).await?;
    }
    // The server has them all before it hears of the stop.
    round_trip(&client).await?;
    let finished = scene.host.stop().await?;
    assert!(finished.status.success(), "{:?}", finished.status);
    for expected in 0..REQUESTS {
        assert_eq!(next(&mut answers).await?.payload, expected.to_string());
    }
    Ok(())
}
