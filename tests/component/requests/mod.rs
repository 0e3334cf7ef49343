//! Requests of plugins: when a request ends, and that each answer finds its own.

mod inboxes;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_nats::Subscriber;
use serde_json::{Value, json};
use test_support::{NatsServer, Proxy};

use crate::harness::asking::{RELAY, answer, echo, inbox, report, request, send};
use crate::harness::{Probe, RawClient, Scene, listen, next, run_until_ready};

/// Far less than the 5 seconds after which a request ends by itself.
const AT_ONCE: Duration = Duration::from_secs(3);

// What a plugin may ask

#[tokio::test]
async fn a_request_needs_permission_for_its_subject_and_none_for_its_answer() -> Result<()> {
    let allowed = ["--allow-subscribe", "probe.cmd"];
    let refused = Scene::with(&["probe"], &allowed).await?;
    for op in ["request", "request_and_wait"] {
        let error = refused.probe().refuse(request(op, "service", json!({}))).await?;
        assert_eq!(error.kind, "PermissionDenied");
        assert!(error.text.contains("--allow-request 'service'"), "{}", error.text);
    }

    let args = [&allowed[..], &["--allow-request", "service", "--allow-publish", RELAY]].concat();
    let scene = Scene::with(&["probe"], &args).await?;
    let mut relay = listen(&scene.client, RELAY).await?;
    echo(&scene.client, "service").await?;
    let probe = scene.probe();
    send(&probe, "service", json!({})).await?;
    assert_eq!(report(&mut relay).await?["message"]["payload"], "question");
    let answers = probe.obey(request("request_and_wait", "service", json!({}))).await?;
    assert_eq!(answers[0]["payload"], "question");
    Ok(())
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_refused_at_once() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let small = NatsServer::builder().config("max_payload: 1000").start().await?;
    let connect = json!({ "op": "connect", "server": small.url() });
    let index = probe.obey(connect).await?;
    for op in ["request", "request_and_wait"] {
        let error = probe.refuse(request(op, "a b", json!({}))).await?;
        assert_eq!(error.kind, "SubjectInvalid");
        let error = probe.refuse(request(op, "a.*", json!({}))).await?;
        assert_eq!(error.kind, "SubjectInvalid");
        let error = probe.refuse(request(op, "a", json!({ "headers": [["a b", ""]] }))).await?;
        assert_eq!(error.kind, "HeaderInvalid");
        let large = json!({ "client": index, "payload": "x".repeat(1001) });
        let error = probe.refuse(request(op, "a", large)).await?;
        assert_eq!(error.kind, "PayloadTooLarge");
        assert!(error.text.contains("1000"), "{}", error.text);
    }
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["requests_in_flight"], 0);
    Ok(())
}

// How a request for one answer ends

#[tokio::test]
async fn an_answer_has_all_its_parts() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    send(&probe, "service", json!({ "headers": [["Trace", "1"], ["Trace", "2"]] })).await?;
    let question = next(&mut questions).await?;
    let asked = question.headers.as_ref().context("no headers")?;
    let traces: Vec<_> = asked.get_all("Trace").map(ToString::to_string).collect();
    assert_eq!(traces, ["1", "2"]);

    let mut headers = async_nats::HeaderMap::new();
    headers.append("Kind", "answer");
    let inbox = inbox(&question)?;
    let payload = "forty-two".into();
    scene.client.publish_with_reply_and_headers(inbox.clone(), "go.on", headers, payload).await?;
    let expected = json!({
        "sid": 0, "subject": inbox, "reply_to": "go.on",
        "headers": [["Kind", "answer"]], "status": null, "payload": "forty-two",
    });
    assert_eq!(report(&mut relay).await?, json!({ "message": expected }));
    Ok(())
}

#[tokio::test]
async fn of_three_answers_to_one_request_the_first_counts() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    send(&probe, "service", json!({})).await?;
    answer(&scene.client, &next(&mut questions).await?, 3).await?;
    assert_eq!(report(&mut relay).await?["message"]["payload"], "1");
    nothing_more(&probe, &mut relay).await?;

    let waiting = tokio::spawn({
        let probe = probe.clone();
        async move { probe.obey(request("request_and_wait", "service", json!({}))).await }
    });
    answer(&scene.client, &next(&mut questions).await?, 3).await?;
    let answers = waiting.await??;
    assert_eq!(answers.as_array().map(Vec::len), Some(1), "{answers}");
    assert_eq!(answers[0]["payload"], "1");
    Ok(())
}

/// What the probe says now is the next on the relay, so nothing else was said.
async fn nothing_more(probe: &Probe, relay: &mut Subscriber) -> Result<()> {
    probe.flush().await?;
    probe.obey(json!({ "op": "publish", "subject": RELAY, "payload": "\"marker\"" })).await?;
    assert_eq!(report(relay).await?, "marker");
    Ok(())
}

#[tokio::test]
async fn a_request_without_an_answer_times_out() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let _silent = listen(&scene.client, "silent").await?;
    let options = json!({ "timeout_ms": 100 });
    let begin = Instant::now();
    send(&probe, "silent", options.clone()).await?;
    assert_eq!(report(&mut relay).await?["error"]["kind"], "Timeout");
    assert!((Duration::from_millis(100)..AT_ONCE).contains(&begin.elapsed()));

    let begin = Instant::now();
    let error = probe.refuse(request("request_and_wait", "silent", options)).await?;
    assert_eq!(error.kind, "Timeout");
    assert!((Duration::from_millis(100)..AT_ONCE).contains(&begin.elapsed()));
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["requests_in_flight"], 0);
    Ok(())
}

#[tokio::test]
async fn a_request_that_nobody_listens_to_ends_at_once() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let begin = Instant::now();
    for max_replies in [1, 0, 3] {
        let options = json!({ "max_replies": max_replies });
        send(&probe, "nobody.here", options.clone()).await?;
        assert_eq!(report(&mut relay).await?["error"]["kind"], "NoResponders");
        let error = probe.refuse(request("request_and_wait", "nobody.here", options)).await?;
        assert_eq!(error.kind, "NoResponders");
    }
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_cancelled_request_gets_no_answer() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    let id = send(&probe, "service", json!({})).await?;
    let question = next(&mut questions).await?;
    for _ in 0..2 {
        probe.obey(json!({ "op": "cancel_request", "id": id })).await?;
    }
    answer(&scene.client, &question, 1).await?;
    nothing_more(&probe, &mut relay).await?;
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["requests_in_flight"], 0);
    Ok(())
}

#[tokio::test]
async fn a_request_in_flight_ends_with_its_connection() -> Result<()> {
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let _host = run_until_ready(&proxy.url(), &["probe"], &["-A"]).await?;
    let client = server.client().await?;
    let probe = Probe::new(client.clone());
    let mut relay = listen(&client, RELAY).await?;
    let mut questions = listen(&client, "service").await?;
    let begin = Instant::now();
    send(&probe, "service", json!({ "timeout_ms": 20_000 })).await?;
    next(&mut questions).await?;
    proxy.cut();
    // Said while there was no server, so it arrives once there is one again.
    assert_eq!(report(&mut relay).await?["error"]["kind"], "ConnectionLost");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    Ok(())
}

// How a request for many answers ends

#[tokio::test]
async fn a_request_for_three_answers_ends_with_the_third() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    let options = json!({ "max_replies": 3 });
    send(&probe, "service", options.clone()).await?;
    answer(&scene.client, &next(&mut questions).await?, 5).await?;
    for expected in ["1", "2", "3"] {
        assert_eq!(report(&mut relay).await?["message"]["payload"], expected);
    }
    assert_eq!(report(&mut relay).await?, json!({ "end": true }));
    nothing_more(&probe, &mut relay).await?;

    let payloads = collect(&scene, &mut questions, options, 5).await?;
    assert_eq!(payloads, ["1", "2", "3"]);
    Ok(())
}

/// Lets the probe wait for many answers, and gives so many of them.
async fn collect(
    scene: &Scene,
    questions: &mut Subscriber,
    options: Value,
    count: u32,
) -> Result<Vec<String>> {
    let probe = scene.probe();
    let command = request("request_and_wait", "service", options);
    let waiting = tokio::spawn(async move { probe.obey(command).await });
    answer(&scene.client, &next(questions).await?, count).await?;
    let answers = waiting.await??;
    let answers = answers.as_array().context("no list")?.iter();
    Ok(answers.filter_map(|answer| Some(answer["payload"].as_str()?.to_owned())).collect())
}

#[tokio::test]
async fn a_request_for_any_number_of_answers_ends_when_they_stop() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    // Either the silence or the time-out ends it; both are normal ends.
    for options in [
        json!({ "max_replies": 0, "stall_ms": 300, "timeout_ms": 20_000 }),
        json!({ "max_replies": 0, "timeout_ms": 300 }),
    ] {
        let begin = Instant::now();
        send(&probe, "service", options.clone()).await?;
        answer(&scene.client, &next(&mut questions).await?, 4).await?;
        for expected in ["1", "2", "3", "4"] {
            assert_eq!(report(&mut relay).await?["message"]["payload"], expected);
        }
        assert_eq!(report(&mut relay).await?, json!({ "end": true }));
        assert_eq!(collect(&scene, &mut questions, options, 4).await?, ["1", "2", "3", "4"]);
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_message_with_a_status_ends_a_request_for_many() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut relay = listen(&scene.client, RELAY).await?;
    let mut questions = listen(&scene.client, "service").await?;
    send(&probe, "service", json!({ "max_replies": 0, "timeout_ms": 20_000 })).await?;
    let question = next(&mut questions).await?;
    answer(&scene.client, &question, 2).await?;
    let mut raw = RawClient::connect(scene.server.port()).await?;
    raw.publish(&inbox(&question)?, "", b"NATS/1.0 204 EOB\r\n\r\n", b"").await?;
    for expected in ["1", "2"] {
        assert_eq!(report(&mut relay).await?["message"]["payload"], expected);
    }
    assert_eq!(report(&mut relay).await?, json!({ "end": true }));
    Ok(())
}

// Who waits

#[tokio::test]
async fn only_the_instance_that_asks_waits() -> Result<()> {
    let scene = Scene::of(&["probe", "echo"]).await?;
    let probe = scene.probe();
    let mut questions = listen(&scene.client, "service").await?;
    let waiting =
        tokio::spawn(
            async move { probe.obey(request("request_and_wait", "service", json!({}))).await },
        );
    let question = next(&mut questions).await?;
    for number in 0..100 {
        let answer = scene.client.request("echo", number.to_string().into()).await?;
        assert_eq!(answer.payload, number.to_string());
    }
    ensure!(!waiting.is_finished(), "it did not wait");
    answer(&scene.client, &question, 1).await?;
    assert_eq!(waiting.await??[0]["payload"], "1");
    Ok(())
}

#[tokio::test]
async fn the_only_instance_that_asks_itself_times_out() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let oneself = request("request_and_wait", "probe.cmd", json!({ "timeout_ms": 100 }));
    assert_eq!(probe.refuse(oneself).await?.kind, "Timeout");
    probe.flush().await
}

// Many at once

#[tokio::test]
async fn ten_thousand_requests_at_once_share_one_subscription() -> Result<()> {
    const REQUESTS: u32 = 10_000;
    let scene = Scene::with(&["requester"], &["-A", "--inbox-prefix", "answers"]).await?;
    echo(&scene.client, "service").await?;
    let report = go(&scene, "requester.go", REQUESTS).await?;
    assert_eq!(report, json!({ "ok": REQUESTS, "wrong": 0, "errors": 0 }));
    // By the server's own count, these are all subscriptions it ever got.
    let page = scene.server.connz().await?;
    let connections = page["connections"].as_array().context("no connections")?;
    let subjects: Vec<_> = connections
        .iter()
        .flat_map(|connection| connection["subscriptions_list_detail"].as_array())
        .flatten()
        .filter(|one| one["subject"] != "service")
        .filter_map(|one| one["subject"].as_str().zip(one["msgs"].as_u64()))
        .collect();
    let is_reply = |subject: &str| subject.starts_with("_INBOX.");
    let mut own: Vec<_> = subjects.into_iter().filter(|(subject, _)| !is_reply(subject)).collect();
    own.sort_unstable();
    let [(inbox, answers), (go, orders)] = own[..] else { anyhow::bail!("{own:?}") };
    assert!(inbox.starts_with("answers.") && inbox.ends_with(".*"), "{inbox}");
    assert_eq!((answers, go, orders), (u64::from(REQUESTS), "requester.go", 1));
    Ok(())
}

/// Lets a requester send so many requests to `service`; gives its report.
async fn go(scene: &Scene, subject: &'static str, count: u32) -> Result<Value> {
    let order = json!({ "n": count, "subject": "service" });
    let report = scene.client.request(subject, order.to_string().into()).await?;
    Ok(serde_json::from_slice(&report.payload)?)
}

#[tokio::test]
async fn requests_one_after_the_other_get_their_own_answers() -> Result<()> {
    let scene = Scene::of(&["requester-blocking"]).await?;
    echo(&scene.client, "service").await?;
    let report = go(&scene, "requester-blocking.go", 500).await?;
    assert_eq!(report, json!({ "ok": 500, "wrong": 0, "errors": 0 }));
    Ok(())
}

#[tokio::test]
async fn many_requests_to_nobody_all_fail() -> Result<()> {
    let scene = Scene::of(&["requester", "requester-blocking"]).await?;
    for subject in ["requester.go", "requester-blocking.go"] {
        let report = go(&scene, subject, 500).await?;
        assert_eq!(report, json!({ "ok": 0, "wrong": 0, "errors": 500 }), "{subject}");
    }
    Ok(())
}
