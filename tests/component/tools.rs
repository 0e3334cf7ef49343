//! `pub`, `sub` and `request`: what one sends, another gets.

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use futures_util::StreamExt;
use test_support::{HostProcess, LogLine, NatsServer, Signal};

use crate::harness::{next, run_until_ready};
use crate::program::{self, assert_has, command, failure, output, output_for, start};
use crate::second::{listen, settle};

/// Starts `sub` and waits until the server knows.
async fn subscribe(server: &NatsServer, args: &[&str]) -> Result<HostProcess> {
    let subscriber = start(&[&["sub", "--server", &server.url()], args].concat())?;
    let listens = |line: &LogLine| line.message() == Some("listening");
    subscriber.wait_for_log("the subscription", listens).await?;
    Ok(subscriber)
}

#[tokio::test]
async fn pub_sends_payload_reply_to_and_headers() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut orders = listen(&client, "orders.*").await?;
    let url = server.url();
    let args = ["pub", "--server", &url, "orders.new", "three apples", "--reply-to", "back"];
    let headers = ["-H", "Trace-Id: 7", "-H", "trace-id:a:b", "--header", "Empty:"];
    assert_eq!(output(&[&args[..], &headers].concat()).await?, Vec::<String>::new());

    let message = next(&mut orders).await?;
    assert_eq!(message.subject.as_str(), "orders.new");
    assert_eq!(message.reply.as_deref(), Some("back"));
    assert_eq!(&message.payload[..], b"three apples");
    let headers = message.headers.context("no headers")?;
    let value = |name: &str| headers.get(name).map(|value| value.as_str());
    assert_eq!(value("Trace-Id"), Some("7"));
    assert_eq!(value("trace-id"), Some("a:b"));
    assert_eq!(value("Empty"), Some(""));
    Ok(())
}

#[tokio::test]
async fn pub_reads_standard_input_byte_for_byte() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut files = listen(&client, "files").await?;
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    output_for(&bytes, &["pub", "--server", &server.url(), "files", "-"]).await?;
    assert_eq!(next(&mut files).await?.payload, bytes);
    Ok(())
}

#[tokio::test]
async fn pub_without_a_payload_sends_an_empty_one() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut pings = listen(&client, "ping").await?;
    output(&["pub", "--server", &server.url(), "ping"]).await?;
    let message = next(&mut pings).await?;
    assert_eq!((message.payload.len(), message.headers), (0, None));
    Ok(())
}

#[tokio::test]
async fn pub_with_a_count_sends_so_many() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut many = listen(&client, "many").await?;
    output(&["pub", "--server", &server.url(), "many", "x", "--count", "50000"]).await?;
    output(&["pub", "--server", &server.url(), "many", "end"]).await?;
    let mut count = 0;
    while next(&mut many).await?.payload != "end" {
        count += 1;
    }
    assert_eq!(count, 50_000);
    Ok(())
}

#[tokio::test]
async fn sub_prints_subject_reply_to_headers_and_payload() -> Result<()> {
    let server = NatsServer::start().await?;
    let subscriber = subscribe(&server, &["orders.>", "--count", "2"]).await?;
    let url = server.url();
    let first = ["pub", "--server", &url, "orders.new", "apples", "--reply-to", "back"];
    output(&[&first[..], &["-H", "Trace: 7"]].concat()).await?;
    output(&["pub", "--server", &url, "orders.old.one"]).await?;

    let finished = subscriber.wait().await?;
    assert!(finished.status.success());
    let lines = ["[#1] orders.new reply-to back", "Trace: 7", "apples", "[#2] orders.old.one", ""];
    assert_eq!(finished.stdout, lines);
    Ok(())
}

#[tokio::test]
async fn sub_takes_its_count_and_no_more() -> Result<()> {
    let server = NatsServer::start().await?;
    let subscriber = subscribe(&server, &["few", "--count", "3", "--raw"]).await?;
    let client = server.client().await?;
    for number in 1..=5 {
        client.publish("few", number.to_string().into()).await?;
    }
    settle(&client).await?;
    assert_eq!(subscriber.wait().await?.stdout, ["1", "2", "3"]);
    Ok(())
}

#[tokio::test]
async fn sub_shares_the_messages_of_its_queue_group() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["jobs", "--queue", "crew", "--raw"];
    let members = [subscribe(&server, &args).await?, subscribe(&server, &args).await?];
    let client = server.client().await?;
    for number in 0..200 {
        client.publish("jobs", number.to_string().into()).await?;
    }
    settle(&client).await?;
    let mut all = Vec::new();
    for member in members {
        // What the server has sent is printed before it ends.
        let lines = member.stop().await?.stdout;
        assert!(!lines.is_empty());
        all.extend(lines.iter().map(|line| line.parse::<u32>()).collect::<Result<Vec<_>, _>>()?);
    }
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn sub_ends_well_at_ctrl_c() -> Result<()> {
    let server = NatsServer::start().await?;
    let subscriber = subscribe(&server, &["nothing"]).await?;
    subscriber.signal(Signal::INT)?;
    assert_eq!(subscriber.wait().await?.status.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn request_prints_the_answer() -> Result<()> {
    let server = NatsServer::start().await?;
    let _host = run_until_ready(&server.url(), &["echo", "headers"], &["-A"]).await?;
    let url = server.url();
    assert_eq!(output(&["request", "--server", &url, "echo", "hello"]).await?, ["hello"]);
    let bytes = "sm\u{f8}rrebr\u{f8}d\0";
    let echoed = output_for(bytes.as_bytes(), &["request", "--server", &url, "echo", "-"]).await?;
    assert_eq!(echoed, format!("{bytes}\n"));
    let headers = ["request", "--server", &url, "headers", "-H", "A: 1", "-H", "a: 2"];
    assert_eq!(output(&headers).await?[..2], ["A: 1", "a: 2"]);
    Ok(())
}

#[tokio::test]
async fn request_takes_as_many_replies_as_are_asked_for() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut asked = listen(&client, "many").await?;
    let answering = tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            for number in 1..=4 {
                let reply = message.reply.clone().context("no reply-to")?;
                client.publish(reply, number.to_string().into()).await?;
            }
        }
        anyhow::Ok(())
    });
    let url = server.url();
    let request = ["request", "--server", &url, "many"];
    assert_eq!(output(&request).await?, ["1"]);
    assert_eq!(output(&[&request[..], &["--replies", "3"]].concat()).await?, ["1", "2", "3"]);
    let all = [&request[..], &["--replies", "0", "--timeout", "300ms"]].concat();
    assert_eq!(output(&all).await?, ["1", "2", "3", "4"]);
    answering.abort();
    Ok(())
}

#[tokio::test]
async fn request_that_nobody_hears_fails_at_once() -> Result<()> {
    let server = NatsServer::start().await?;
    let args = ["request", "--server", &server.url(), "nobody", "--timeout", "1h"];
    assert_has(&failure(1, &args).await?, &["nobody listens on \"nobody\""]);
    Ok(())
}

#[tokio::test]
async fn request_without_an_answer_fails_in_time() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let _silent = listen(&client, "silent").await?;
    let args = ["request", "--server", &server.url(), "silent", "--timeout", "100ms"];
    assert_has(&failure(1, &args).await?, &["no answer on \"silent\" within 100ms"]);
    Ok(())
}

#[tokio::test]
async fn request_answered_with_an_error_fails_with_its_text() -> Result<()> {
    let server = NatsServer::start().await?;
    let _host = run_until_ready(&server.url(), &["failing"], &["-A"]).await?;
    let reason = failure(1, &["request", "--server", &server.url(), "failing.in", "it"]).await?;
    assert_has(&reason, &["error 500: refused it"]);

    // A service may say anything, and must not reach the terminal with it.
    let client = server.client().await?;
    let mut asked = listen(&client, "rude").await?;
    let request = start(&["request", "--server", &server.url(), "rude"])?;
    let reply = next(&mut asked).await?.reply.context("no reply-to")?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Service-Error", "\x1b[2Jgone");
    client.publish_with_headers(reply, headers, "".into()).await?;
    settle(&client).await?;
    let finished = request.wait().await?;
    assert_has(&program::told(&finished, 1)?, &["\\u{1b}[2Jgone"]);
    Ok(())
}

#[tokio::test]
async fn the_environment_names_the_server() -> Result<()> {
    let server = NatsServer::start().await?;
    let client = server.client().await?;
    let mut heard = listen(&client, "heard").await?;
    let mut publish = command(&["pub", "heard", "by the environment"]);
    publish.env("NATS_URL", server.url());
    assert!(HostProcess::spawn(publish)?.wait().await?.status.success());
    assert_eq!(next(&mut heard).await?.payload, "by the environment");
    Ok(())
}
