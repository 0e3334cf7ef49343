//! What is on the wire between host and server: bytes as they are, limits, and
//! what comes of a server that does not keep to the protocol.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{FakeServer, INFO, NatsServer, Proxy, eventually};

use crate::harness::{
    self, GuestError, Probe, RawClient, Scene, connection_id, listen, next, next_text, round_trip,
};

fn kind(error: &GuestError) -> &str {
    &error.kind
}

// Bytes

/// As many bytes as wanted of what a careless reader would trip over.
fn tricky(size: usize) -> Vec<u8> {
    b"\r\nMSG a 1 3\r\n\0\xff-ERR 'x'\r\nPING\r\n".iter().copied().cycle().take(size).collect()
}

#[tokio::test]
async fn payloads_of_any_bytes_and_sizes_come_back_unchanged() -> Result<()> {
    let scene = Scene::of(&["echo"]).await?;
    for size in [0, 1, 13, 4_095, 4_096, 65_535, 65_536, 1024 * 1024] {
        let payload = tricky(size);
        let answer = scene.client.request("echo", payload.clone().into()).await?;
        assert!(answer.payload == payload, "{size} bytes came back changed");
    }
    Ok(())
}

#[tokio::test]
async fn header_blocks_come_back_byte_for_byte() -> Result<()> {
    // One guest pulls its messages, the other is called for each.
    let scene = Scene::with(&["echo", "raw-handler"], &["-A", "--name", "headers"]).await?;
    let before = ids(&scene, "headers").await?;
    let block: &[u8] = b"NATS/1.0\r\nKey: 1\r\nkey: 2\r\nKEY: 3\r\nKey: 1\r\nEmpty: \r\n\
        Colon: a:b: c\r\nUtf8: gr\xc3\xbc\xc3\x9fe\r\nLatin1: gr\xfc\xdfe\r\nHigh: \x80\xff\r\n\
        !#$%&'*+-.^_`|~: x\r\n\r\n";
    let mut raw = RawClient::connect(scene.server.port()).await?;
    raw.send("SUB answers 1\r\n").await?;
    raw.flush().await?;
    for subject in ["echo", "raw.echo"] {
        raw.publish(subject, "answers", block, b"payload\r\n").await?;
        let (headers, payload) = raw.message().await?;
        assert_eq!(headers.escape_ascii().to_string(), block.escape_ascii().to_string());
        assert_eq!(payload, b"payload\r\n", "{subject}");
    }
    assert_eq!(ids(&scene, "headers").await?, before, "a connection was lost");
    Ok(())
}

/// The server's numbers of all connections with this name.
async fn ids(scene: &Scene, name: &str) -> Result<Vec<Value>> {
    let page = scene.server.connz().await?;
    let connections =
        page.get("connections").and_then(Value::as_array).context("no connections")?;
    let named = connections.iter().filter(|one| one["name"] == name);
    Ok(named.map(|one| one["cid"].clone()).collect())
}

#[tokio::test]
async fn strange_header_blocks_lose_neither_message_nor_connection() -> Result<()> {
    let scene = Scene::with(&["echo"], &["-A", "--name", "strange"]).await?;
    let cid = connection_id(&scene.server, "strange").await?;
    let mut raw = RawClient::connect(scene.server.port()).await?;
    raw.send("SUB answers 1\r\n").await?;
    for (strange, clean) in [
        (&b"NATS/1.0\r\nA:1\r\n\tB :  2 \r\n\r\n"[..], None),
        (b"NATS/1.0\r\nno colon\r\nA:1\r\n\r\n", Some(&b"NATS/1.0\r\nA: 1\r\n\r\n"[..])),
        (b"NATS/1.0\r\n: no name\r\n\r\n", Some(b"")),
        (b"NATS/1.0\r\n\r\n", Some(b"")),
        (b"\xff\xfe\r\n\r\n", Some(b"")),
        (b"NATS/1.0 503\r\n\r\n", Some(b"")),
    ] {
        raw.publish("echo", "answers", strange, b"x").await?;
        let (headers, payload) = raw.message().await?;
        let shown = strange.escape_ascii();
        match clean {
            Some(clean) => {
                assert_eq!(headers.escape_ascii().to_string(), clean.escape_ascii().to_string());
                assert_eq!(payload, b"x", "{shown}");
            }
            // A name that can't be sent back: the guest is told, and says so.
            None => assert!(headers.starts_with(b"NATS/1.0\r\nNats-Service-Error: "), "{shown}"),
        }
    }
    assert_eq!(connection_id(&scene.server, "strange").await?, cid);
    Ok(())
}

// Limits

#[tokio::test]
async fn a_message_may_be_as_large_as_the_server_allows_and_no_larger() -> Result<()> {
    const LIMIT: usize = 8_192;
    const HEADERS: usize = b"NATS/1.0\r\nA: b\r\n\r\n".len();
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let small = NatsServer::builder().config(format!("max_payload: {LIMIT}")).start().await?;
    let connect = json!({ "op": "connect", "server": small.url(), "name": "small" });
    let index = probe.obey(connect).await?;
    let cid = connection_id(&small, "small").await?;
    let listener = small.client().await?;
    let mut out = listen(&listener, "out").await?;

    for (headers, size) in [(json!([]), LIMIT), (json!([["A", "b"]]), LIMIT - HEADERS)] {
        let publish = |size: usize| {
            json!({
                "op": "publish", "client": index, "subject": "out",
                "headers": headers, "payload": "x".repeat(size),
            })
        };
        probe.obey(publish(size)).await?;
        assert_eq!(next(&mut out).await?.payload.len(), size);
        let error = probe.refuse(publish(size + 1)).await?;
        assert_eq!(kind(&error), "PayloadTooLarge");
        assert!(error.text.contains(&LIMIT.to_string()), "{}", error.text);
    }
    assert_eq!(connection_id(&small, "small").await?, cid);
    Ok(())
}

#[tokio::test]
async fn a_line_longer_than_servers_take_is_not_sent() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "long"]).await?;
    let probe = scene.probe();
    let cid = connection_id(&scene.server, "long").await?;
    for long in ["x".repeat(5_000), "x.".repeat(2_500) + "x"] {
        for command in [
            json!({ "op": "publish", "subject": long }),
            json!({ "op": "publish", "subject": "a", "reply_to": long }),
            json!({ "op": "publish", "subject": "a", "reply_to": long, "headers": [["A", "b"]] }),
            json!({ "op": "subscribe", "subject": long }),
            json!({ "op": "request_and_wait", "subject": long }),
        ] {
            assert_eq!(kind(&probe.refuse(command).await?), "SubjectInvalid");
        }
        let command = json!({ "op": "subscribe", "subject": "a", "queue": long });
        let error = probe.refuse(command).await?;
        assert!(["SubjectInvalid", "NameInvalid"].contains(&kind(&error)), "{error:?}");
    }
    let longest = "x".repeat(4_000);
    let sid = probe.subscribe(&longest, None).await?;
    probe.obey(json!({ "op": "publish", "subject": longest })).await?;
    probe.wait_until_seen(sid, 1).await?;
    assert_eq!(connection_id(&scene.server, "long").await?, cid);
    Ok(())
}

// Servers that follow a script

#[tokio::test]
async fn what_follows_the_handshake_in_one_segment_is_taken() -> Result<()> {
    let server = FakeServer::start().await?;
    let host = harness::run(&server.url(), &["echo"], &["-A"])?;
    let segment = format!("PONG\r\nINFO {INFO}\r\nPING\r\nMSG echo 1 answers 2\r\nhi\r\n");

    // At first nothing is subscribed, so the message is for nobody.
    let mut connection = server.accept().await?;
    connection.send(format!("INFO {INFO}\r\n")).await?;
    connection.connect().await?;
    connection.send(&segment).await?;
    // A plugin is ready once the server has confirmed its subscriptions.
    connection.expect("PONG\r\nSUB echo 1\r\nPING\r\n").await?;
    connection.send("PONG\r\n").await?;
    host.wait_until_ready("echo").await?;
    connection.expect_silence().await?;
    drop(connection);

    let mut connection = server.accept().await?;
    connection.send(format!("INFO {INFO}\r\n")).await?;
    connection.connect().await?;
    connection.send(&segment).await?;
    connection.expect("SUB echo 1\r\nPONG\r\nPUB answers 2\r\nhi\r\n").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_is_left_and_tried_again() -> Result<()> {
    let long = format!("MSG {}", "x".repeat(20_000));
    let malformed = [
        "MSG echo 1\r\n",
        "MSG echo 1 a b 2\r\nhi\r\n",
        "MSG echo 1 -1\r\n",
        "MSG echo 1 99999999999999999999\r\n",
        "MSG echo 1 268435456\r\n",
        "MSG echo one 2\r\nhi\r\n",
        "MSG echo 1 2\r\nhi, there\r\n",
        "HMSG echo 1 12 5\r\n",
        "HMSG echo 1 99999999999999999999 99999999999999999999\r\n",
        "HMSG echo 1 12 4294967295\r\n",
        "INFO {\"server_id\":\r\n",
        "WHAT\r\n",
        "\r\n\r\n",
        long.as_str(),
    ];
    let server = FakeServer::start().await?;
    // A host waits before it comes back to such a server again and again.
    let args = ["-A", "--reconnect-wait-max", "10ms"];
    let host = harness::run(&server.url(), &["echo"], &args)?;
    let mut connection = server.accept_client().await?;
    connection.expect("SUB echo 1\r\nPING\r\n").await?;
    connection.send("PONG\r\n").await?;
    for bytes in malformed {
        connection.send(bytes).await?;
        let left = connection.expect_closed().await;
        left.with_context(|| format!("after {bytes:.40?}"))?;
        connection = server.accept_client().await?;
        connection.expect("SUB echo 1\r\n").await?;
    }
    connection.send("MSG echo 1 answers 2\r\nhi\r\n").await?;
    connection.expect("PUB answers 2\r\nhi\r\n").await?;

    #[cfg(target_os = "linux")]
    {
        const BOUND: u64 = 200 * 1024;
        let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()?))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
        assert!(kilobytes < BOUND, "the host took {kilobytes} kB");
    }
    let log = host.log().so_far();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
    Ok(())
}

// Deliveries, counted

#[tokio::test]
async fn of_twenty_messages_a_maximum_of_five_lets_five_through() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "five"]).await?;
    let (probe, client) = (scene.probe(), &scene.client);
    let sid = probe.subscribe("news", None).await?;
    probe.obey(json!({ "op": "unsubscribe", "sid": sid, "max": 5 })).await?;
    probe.flush().await?;
    for number in 0..20 {
        client.publish("news", number.to_string().into()).await?;
    }
    round_trip(client).await?;
    probe.flush().await?;
    let seen = probe.seen(sid).await?;
    assert_eq!((&seen["count"], &seen["last"][0]["payload"]), (&json!(5), &json!("4")));
    assert_eq!(probe.wait_for_event(0, "subscription-ended").await?[0], sid);
    scene.server.wait_for_subscriptions("five", &["probe.cmd"]).await?;
    let statistics = probe.obey(json!({ "op": "statistics" })).await?;
    assert_eq!(statistics["subscriptions"], 1);
    Ok(())
}

#[tokio::test]
async fn a_maximum_counts_across_reconnects() -> Result<()> {
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let args = ["-A", "--name", "five"];
    let _host = harness::run_until_ready(&proxy.url(), &["probe"], &args).await?;
    let client = server.client().await?;
    let probe = Probe::new(client.clone());
    let sid = probe.subscribe("news", None).await?;
    probe.obey(json!({ "op": "unsubscribe", "sid": sid, "max": 5 })).await?;
    let send = async |count: u32| {
        for number in 0..count {
            client.publish("news", number.to_string().into()).await?;
        }
        round_trip(&client).await
    };
    send(3).await?;
    probe.wait_until_seen(sid, 3).await?;
    let cid = connection_id(&server, "five").await?;

    proxy.cut();
    eventually("the host to have subscribed again", async || {
        let connection = server.connection("five").await?;
        let connection = connection.filter(|one| one["cid"] != cid && one["subscriptions"] == 2);
        Ok(connection.map(|_| ()))
    })
    .await?;
    send(10).await?;
    probe.flush().await?;
    assert_eq!(probe.seen(sid).await?["count"], 5);
    server.wait_for_subscriptions("five", &["probe.cmd"]).await?;
    Ok(())
}

#[tokio::test]
async fn no_callback_follows_an_unsubscribe_in_a_callback() -> Result<()> {
    let scene = Scene::of(&["self-unsubscriber"]).await?;
    let client = &scene.client;
    let mut out = listen(client, "self-unsubscriber.out").await?;
    // So many that those behind the third are on their way already.
    for number in 0..1_000 {
        client.publish("self-unsubscriber.in", number.to_string().into()).await?;
    }
    round_trip(client).await?;
    for expected in ["1", "2", "3"] {
        assert_eq!(next_text(&mut out).await?, expected);
    }
    scene
        .server
        .wait_for("the subscription to be gone", |page| {
            let connections = page["connections"].as_array()?;
            let subjects =
                connections.iter().flat_map(|one| one["subscriptions_list_detail"].as_array());
            let mut subjects = subjects.flatten().map(|one| &one["subject"]);
            subjects.all(|subject| subject != "self-unsubscriber.in").then_some(())
        })
        .await?;
    // All that it had to say is said when it has ended.
    let finished = scene.host.stop().await?;
    assert!(finished.status.success(), "{:?}", finished.status);
    client.publish("self-unsubscriber.out", "marker".into()).await?;
    assert_eq!(next_text(&mut out).await?, "marker");
    Ok(())
}

#[tokio::test]
async fn a_connection_without_echo_does_not_hear_itself() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let mut heard = listen(&scene.client, "talk").await?;
    for (no_echo, expected) in [(true, 0), (false, 1)] {
        let connect = json!({ "op": "connect", "name": "talker", "no_echo": no_echo });
        let index = probe.obey(connect).await?;
        let subscribe = json!({ "op": "subscribe", "client": index, "subject": "talk" });
        let sid = probe.obey(subscribe).await?.as_u64().context("no sid")?;
        probe.obey(json!({ "op": "publish", "client": index, "subject": "talk" })).await?;
        // What comes to it at all comes before the answer to this.
        probe.obey(json!({ "op": "flush", "client": index, "timeout_ms": 5000 })).await?;
        next(&mut heard).await?;
        assert_eq!(probe.seen(sid).await?["count"], expected, "no_echo: {no_echo}");
        probe.obey(json!({ "op": "unsubscribe", "sid": sid })).await?;
        probe.obey(json!({ "op": "flush", "client": index, "timeout_ms": 5000 })).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_million_messages_at_once_arrive_in_order_at_each_plugin() -> Result<()> {
    const MESSAGES: u64 = 1_000_000;
    let scene = Scene::of(&["counter", "counter"]).await?;
    let mut reports = listen(&scene.client, "reports").await?;
    for number in 1..=MESSAGES {
        scene.client.publish("counter.in", number.to_string().into()).await?;
    }
    scene.client.publish_with_reply("counter.report", "reports", "".into()).await?;
    for _ in 0..2 {
        let report: Value = serde_json::from_slice(&next(&mut reports).await?.payload)?;
        assert_eq!(report, json!({ "count": MESSAGES, "last": MESSAGES, "ordered": true }));
    }
    Ok(())
}
