//! What plugins may do: for each permission the refusal first.

use anyhow::{Context, Result};
use futures_util::{FutureExt, StreamExt};
use serde_json::{Value, json};
use test_support::{NatsServer, Signal};

use crate::harness::{Probe, Scene, listen, next, next_text, run};
use crate::program::assert_has;
use crate::second;

/// What the probe needs to be told anything.
const COMMANDS: [&str; 2] = ["--allow-subscribe", "probe.cmd"];

async fn probe_that_may(flags: &[&str]) -> Result<Scene> {
    Scene::with(&["probe"], &[&COMMANDS[..], flags].concat()).await
}

/// The command must be refused with this advice.
async fn refused(probe: &Probe, command: Value, advice: &str) -> Result<()> {
    let error = probe.refuse(command).await?;
    assert_eq!(error.kind, "PermissionDenied", "{}", error.text);
    assert_has(&error.text, &[advice]);
    Ok(())
}

#[tokio::test]
async fn a_queue_group_must_be_named() -> Result<()> {
    let scene = probe_that_may(&["--allow-subscribe", "jobs"]).await?;
    let join = json!({ "op": "subscribe", "subject": "jobs", "queue": "crew" });
    refused(&scene.probe(), join.clone(), "--allow-queue-group 'crew'").await?;
    scene.probe().subscribe("jobs", None).await?;

    let scene =
        probe_that_may(&["--allow-subscribe", "jobs", "--allow-queue-group", "crew"]).await?;
    let other = json!({ "op": "subscribe", "subject": "jobs", "queue": "crew2" });
    refused(&scene.probe(), other, "--allow-queue-group 'crew2'").await?;
    scene.probe().obey(join).await?;
    Ok(())
}

#[tokio::test]
async fn a_permission_to_request_is_none_to_publish() -> Result<()> {
    let scene = probe_that_may(&["--allow-request", "service"]).await?;
    let probe = scene.probe();
    let publish = json!({ "op": "publish", "subject": "service", "payload": "x" });
    refused(&probe, publish, "--allow-publish 'service'").await?;
    let elsewhere = json!({ "op": "request_and_wait", "subject": "services" });
    refused(&probe, elsewhere, "--allow-request 'services'").await?;

    let nobody = json!({ "op": "request_and_wait", "subject": "service" });
    assert_eq!(probe.refuse(nobody).await?.kind, "NoResponders");
    Ok(())
}

#[tokio::test]
async fn others_can_not_be_made_to_answer_where_the_plugin_may_not_publish() -> Result<()> {
    let flags = ["--allow-publish", "out.>", "--allow-subscribe", "in.>"];
    let scene = probe_that_may(&flags).await?;
    let probe = scene.probe();
    let publish = |reply_to: &str| json!({ "op": "publish", "subject": "out.a", "payload": "x", "reply_to": reply_to });
    for forged in ["admin.stop", "_INBOX.someone.1", "requests.other.1", "$JS.API.INFO"] {
        let advice = format!("--allow-subscribe '{forged}'");
        refused(&probe, publish(forged), &advice).await?;
    }

    let mut heard = listen(&scene.client, "out.a").await?;
    let inbox = probe.obey(json!({ "op": "new_inbox" })).await?;
    let inbox = inbox.as_str().context("no inbox")?;
    for own in [inbox, "in.answers", "out.answers"] {
        probe.obey(publish(own)).await?;
        let reply = next(&mut heard).await?.reply.context("no reply-to")?;
        assert_eq!(reply.as_str(), own);
    }
    Ok(())
}

#[tokio::test]
async fn a_message_may_be_answered_later_and_passed_on() -> Result<()> {
    let flags = ["--allow-publish", "out", "--allow-subscribe", "ask"];
    let scene = probe_that_may(&flags).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("ask", None).await?;
    let mut answers = listen(client, "_INBOX.asker").await?;
    let answer = json!({ "op": "publish", "subject": "_INBOX.asker", "payload": "late" });
    refused(&probe, answer.clone(), "--allow-publish '_INBOX.>'").await?;

    client.publish_with_reply("ask", "_INBOX.asker", "question".into()).await?;
    probe.wait_until_seen(sid, 1).await?;
    probe.obey(answer).await?;
    assert_eq!(next_text(&mut answers).await?, "late");

    let mut out = listen(client, "out").await?;
    let pass_on = json!({
        "op": "publish", "subject": "out", "payload": "question", "reply_to": "_INBOX.asker",
    });
    probe.obey(pass_on).await?;
    assert_eq!(next(&mut out).await?.reply.as_deref(), Some("_INBOX.asker"));
    Ok(())
}

#[tokio::test]
async fn a_message_of_one_server_opens_no_subject_of_another() -> Result<()> {
    let other = NatsServer::start().await?;
    let address = other.address().to_string();
    let flags = ["--allow-subscribe", "in", "--allow-connect", &address];
    let scene = probe_that_may(&flags).await?;
    let probe = scene.probe();
    let there = probe.obey(json!({ "op": "connect", "server": address })).await?;
    let subscribe = json!({ "op": "subscribe", "subject": "in", "client": there });
    let sid = probe.obey(subscribe).await?.as_u64().context("no sid")?;
    probe.obey(json!({ "op": "flush", "timeout_ms": 5000, "client": there })).await?;
    let stranger = other.client().await?;
    stranger.publish_with_reply("in", "admin.stop", "".into()).await?;
    second::settle(&stranger).await?;
    probe.wait_until_seen(sid, 1).await?;

    let answer =
        |client: Value| json!({ "op": "publish", "subject": "admin.stop", "client": client });
    refused(&probe, answer(json!(0)), "--allow-publish 'admin.stop'").await?;
    probe.obey(answer(there)).await?;
    Ok(())
}

#[tokio::test]
async fn a_message_can_not_ask_for_an_answer_that_administers_a_server() -> Result<()> {
    let scene = probe_that_may(&["--allow-subscribe", "ask"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("ask", None).await?;
    let forged = "$JS.API.STREAM.DELETE.orders";
    client.publish_with_reply("ask", forged, "question".into()).await?;
    probe.wait_until_seen(sid, 1).await?;
    let answer = json!({ "op": "publish", "subject": forged, "payload": "" });
    refused(&probe, answer, "--allow-publish '$JS.API.STREAM.DELETE.orders'").await?;
    Ok(())
}

#[tokio::test]
async fn no_error_is_answered_to_what_administers_a_server() -> Result<()> {
    let scene = Scene::with(&["failing"], &["--allow-subscribe", "failing.in"]).await?;
    let client = &scene.client;
    let mut commands = listen(client, "$JS.API.>").await?;
    let mut answers = listen(client, "asker").await?;
    let forged = "$JS.API.STREAM.DELETE.orders";
    client.publish_with_reply("failing.in", forged, "first".into()).await?;
    client.publish_with_reply("failing.in", "asker", "second".into()).await?;
    let answer = next(&mut answers).await?;
    assert_eq!(second::service_error(&answer), Some(("refused second", "500")));
    // Had it been sent, it would have come first.
    assert!(commands.next().now_or_never().is_none());
    Ok(())
}

#[tokio::test]
async fn a_wildcard_sees_neither_inboxes_nor_the_server() -> Result<()> {
    let scene = probe_that_may(&["--allow-subscribe", ">"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    for reserved in ["_INBOX.>", "requests.>", "$JS.>", "$SYS.>"] {
        let subscribe = json!({ "op": "subscribe", "subject": reserved });
        refused(&probe, subscribe, &format!("--allow-subscribe '{reserved}'")).await?;
    }
    let sid = probe.subscribe(">", None).await?;
    for hidden in ["_INBOX.someone.1", "requests.someone.1", "$JS.API.INFO"] {
        client.publish(hidden, "secret".into()).await?;
    }
    client.publish("orders.new", "open".into()).await?;
    let seen = probe.wait_until_seen(sid, 1).await?;
    assert!(!seen.to_string().contains("secret"), "{seen}");
    assert!(seen.to_string().contains("orders.new"), "{seen}");
    Ok(())
}

#[tokio::test]
async fn an_inbox_prefix_of_its_own_choice_needs_permission() -> Result<()> {
    let connect = json!({ "op": "connect", "name": "b", "prefix": "mine" });
    let scene = probe_that_may(&[]).await?;
    refused(&scene.probe(), connect.clone(), "--allow-subscribe 'mine.>'").await?;
    let scene = probe_that_may(&["--allow-subscribe", "mine.>"]).await?;
    scene.probe().obey(connect).await?;
    Ok(())
}

#[tokio::test]
async fn learning_allows_everything_and_tells_the_least_that_would_do() -> Result<()> {
    let server = NatsServer::start().await?;
    let host = run(&server.url(), &["probe"], &["--learn"])?;
    host.wait_until_ready("probe").await?;
    let probe = Probe::new(server.client().await?);
    for number in 0..20 {
        let subject = format!("orders.{number}.done");
        probe.obey(json!({ "op": "publish", "subject": subject, "payload": "" })).await?;
    }
    probe.obey(json!({ "op": "subscribe", "subject": "jobs", "queue": "crew" })).await?;
    let nobody = json!({ "op": "request_and_wait", "subject": "service" });
    assert_eq!(probe.refuse(nobody).await?.kind, "NoResponders");

    host.signal(Signal::INT)?;
    let finished = host.wait().await?;
    assert!(finished.status.success());
    assert_eq!(
        finished.stdout,
        [
            "# probe: --allow-publish 'orders.*.done' --allow-subscribe 'jobs' \
             --allow-subscribe 'probe.cmd' --allow-request 'service' \
             --allow-queue-group 'crew'",
            "[plugin.probe.permissions]",
            "publish = [\"orders.*.done\"]",
            "subscribe = [\"jobs\", \"probe.cmd\"]",
            "request = [\"service\"]",
            "queue-groups = [\"crew\"]",
        ]
    );
    Ok(())
}
