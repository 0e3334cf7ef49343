//! Where answers arrive: at subjects that are the asking plugin's alone.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::harness::asking::{RELAY, answer, echo, inbox, report, send};
use crate::harness::{Scene, listen, next, run_until_ready};

#[tokio::test]
async fn answers_to_a_generated_name_arrive_at_requests_name_n() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let name = probe.obey(json!({ "op": "name" })).await?;
    let name = name.as_str().context("no name")?;
    let mut questions = listen(&scene.client, "service").await?;
    for number in 1..=3 {
        send(&probe, "service", json!({})).await?;
        let question = next(&mut questions).await?;
        assert_eq!(question.payload.as_ref(), b"question");
        assert_eq!(inbox(&question)?, format!("requests.{name}.{number}"));
    }
    Ok(())
}

#[tokio::test]
async fn answers_to_a_chosen_name_arrive_behind_a_token_of_its_own() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "my.caller"]).await?;
    let probe = scene.probe();
    let mut questions = listen(&scene.client, "service").await?;
    let mut tokens = Vec::new();
    for (client, name) in [(json!({}), "my.caller"), (json!({ "name": "other" }), "other")] {
        let mut command = client;
        command["op"] = "connect".into();
        let index = probe.obey(command).await?;
        let mut token = None;
        for number in 1..=2 {
            send(&probe, "service", json!({ "client": index })).await?;
            let inbox = inbox(&next(&mut questions).await?)?;
            let rest = inbox.strip_prefix(&format!("requests.{name}.")).context("no prefix")?;
            let (found, last) = rest.split_once('.').context("no token")?;
            assert_eq!(last, number.to_string(), "{inbox}");
            assert!(found.len() >= 8, "{inbox}");
            assert_eq!(token.get_or_insert(found.to_owned()), found, "{inbox}");
        }
        tokens.extend(token);
    }
    assert_ne!(tokens[0], tokens[1]);
    Ok(())
}

#[tokio::test]
async fn an_inbox_prefix_replaces_the_name_and_each_connection_adds_a_token() -> Result<()> {
    let args = ["-A", "--name", "caller", "--inbox-prefix", "_INBOX.mine"];
    let scene = Scene::with(&["probe"], &args).await?;
    let probe = scene.probe();
    let mut questions = listen(&scene.client, "service").await?;
    let connect = |options: Value| probe.obey(options);
    let same = json!({ "op": "connect", "name": "other" });
    let own = json!({ "op": "connect", "prefix": "answers" });
    let mut tokens = BTreeSet::new();
    for (client, prefix) in [
        (json!(0), "_INBOX.mine"),
        (connect(same).await?, "_INBOX.mine"),
        (connect(own).await?, "answers"),
    ] {
        send(&probe, "service", json!({ "client": client })).await?;
        let inbox = inbox(&next(&mut questions).await?)?;
        let rest = inbox.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
        let (token, number) = rest.and_then(|rest| rest.split_once('.')).context(inbox.clone())?;
        assert_eq!(number, "1");
        assert!(tokens.insert(token.to_owned()), "{token} is used twice");
    }
    Ok(())
}

#[tokio::test]
async fn a_new_inbox_is_open_to_its_plugin_alone() -> Result<()> {
    let scene = Scene::with(&["probe"], &["--allow-subscribe", "probe.cmd"]).await?;
    let probe = scene.probe();
    let mut inboxes = Vec::new();
    for _ in 0..2 {
        let inbox = probe.obey(json!({ "op": "new_inbox" })).await?;
        inboxes.push(inbox.as_str().context("no subject")?.to_owned());
    }
    assert_ne!(inboxes[0], inboxes[1]);

    let error = probe.refuse(json!({ "op": "subscribe", "subject": "requests.>" })).await?;
    assert_eq!(error.kind, "PermissionDenied");
    let sid = probe.subscribe(&inboxes[0], None).await?;
    scene.client.publish(inboxes[0].clone(), "psst".into()).await?;
    assert_eq!(probe.wait_until_seen(sid, 1).await?["last"][0]["payload"], "psst");
    Ok(())
}

#[tokio::test]
async fn two_connections_of_one_name_have_inboxes_of_their_own() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut questions = listen(&scene.client, "service").await?;
    let index = probe.obey(json!({ "op": "connect", "no_echo": true })).await?;
    assert_eq!(index, 1, "other options make another connection");
    send(&probe, "service", json!({})).await?;
    let of_first = inbox(&next(&mut questions).await?)?;
    send(&probe, "service", json!({ "client": index })).await?;
    let question = next(&mut questions).await?;
    let of_second = inbox(&question)?;
    assert_ne!(of_first, of_second);

    // Nor does one that is opened anew get answers to questions from before.
    let mut relay = listen(&scene.client, RELAY).await?;
    answer(&scene.client, &question, 1).await?;
    assert_eq!(report(&mut relay).await?["message"]["payload"], "1");
    probe.obey(json!({ "op": "close", "client": index })).await?;
    probe.wait_for_event(1, "closed").await?;
    let index = probe.obey(json!({ "op": "connect", "no_echo": true })).await?;
    send(&probe, "service", json!({ "client": index })).await?;
    let of_third = inbox(&next(&mut questions).await?)?;
    assert!(of_third != of_first && of_third != of_second, "{of_third}");
    Ok(())
}

#[tokio::test]
async fn hosts_with_one_chosen_name_do_not_take_each_others_answers() -> Result<()> {
    do_not_take_each_others_answers(&["-A", "--name", "twin"]).await
}

#[tokio::test]
async fn hosts_with_one_inbox_prefix_do_not_take_each_others_answers() -> Result<()> {
    do_not_take_each_others_answers(&["-A", "--inbox-prefix", "_INBOX"]).await
}

async fn do_not_take_each_others_answers(args: &[&str]) -> Result<()> {
    const REQUESTS: u32 = 2_000;
    let scene = Scene::with(&["requester"], args).await?;
    let _twin = run_until_ready(&scene.server.url(), &["requester"], args).await?;
    echo(&scene.client, "service").await?;
    let mut reports = listen(&scene.client, "reports").await?;
    let order = json!({ "n": REQUESTS, "subject": "service" }).to_string();
    scene.client.publish_with_reply("requester.go", "reports", order.into()).await?;
    for _ in 0..2 {
        let expected = json!({ "ok": REQUESTS, "wrong": 0, "errors": 0 });
        assert_eq!(report(&mut reports).await?, expected);
    }
    Ok(())
}
