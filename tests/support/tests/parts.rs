//! The parts do what the tests built on them rely on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use test_support::{
    FakeServer, HostProcess, INFO, Mode, NatsServer, Proxy, eventually, guest, within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
};

#[tokio::test]
async fn a_client_and_its_subscription_are_seen_by_the_server() -> Result<()> {
    let server = NatsServer::start().await?;
    let options = async_nats::ConnectOptions::new().name("second");
    let client = server.client_with(options).await?;
    let _subscription = client.subscribe("seen.here").await?;

    let connection = server.wait_for_subscriptions("second", &["seen.here"]).await?;

    assert_eq!(connection["name"], "second");
    assert_eq!(server.varz().await?["connections"], 1);
    assert!(server.subsz().await?["num_subscriptions"].as_u64() >= Some(1));
    Ok(())
}

#[tokio::test]
async fn a_restarted_server_keeps_its_ports() -> Result<()> {
    let mut server = NatsServer::start().await?;
    let port = server.port();
    let id = server.varz().await?["server_id"].clone();

    server.restart().await?;

    assert_eq!(server.port(), port);
    assert_ne!(server.varz().await?["server_id"], id);
    Ok(())
}

#[tokio::test]
async fn a_reloaded_configuration_takes_effect() -> Result<()> {
    let server = NatsServer::builder().config("max_payload: 1000").start().await?;
    server.reload("max_payload: 2000").await?;
    assert_eq!(server.varz().await?["max_payload"], 2000);
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() -> Result<()> {
    let failed = NatsServer::builder().config("no such line {").start().await;
    let error = format!("{:#}", failed.err().context("it started")?);
    assert!(error.contains("Parse error on line 1"), "{error}");
    Ok(())
}

#[tokio::test]
async fn joined_servers_form_a_cluster() -> Result<()> {
    let first = NatsServer::builder().cluster("pair").start().await?;
    let second = NatsServer::builder().join(&first)?.start().await?;
    for server in [&first, &second] {
        eventually("a route", async || {
            Ok((server.varz().await?["routes"].as_u64() > Some(0)).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_carries_segments_of_any_size() -> Result<()> {
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    proxy.set(Mode::Chunks(1));

    let client = async_nats::connect(proxy.url()).await?;
    within("a flush", client.flush()).await??;

    assert_eq!(proxy.accepted(), 1);
    Ok(())
}

#[tokio::test]
async fn a_cut_ends_both_sides_and_a_reset_is_an_error() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(listener.local_addr()?).await?;
    let connect = async || -> Result<_> {
        let near = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
        Ok((near, listener.accept().await?.0))
    };

    let (mut near, mut far) = connect().await?;
    proxy.cut();
    assert_eq!(within("the near end", near.read(&mut [0; 8])).await??, 0);
    assert_eq!(within("the far end", far.read(&mut [0; 8])).await??, 0);

    let (mut near, _far) = connect().await?;
    proxy.reset();
    let error = within("the reset", near.read(&mut [0; 8])).await?.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn a_blackhole_holds_bytes_until_it_is_lifted() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(listener.local_addr()?).await?;
    proxy.set(Mode::Blackhole);
    let mut near = TcpStream::connect(("127.0.0.1", proxy.port())).await?;
    let mut far = listener.accept().await?.0;
    near.write_all(b"held").await?;
    let mut received = [0; 4];

    let early =
        tokio::time::timeout(Duration::from_millis(50), far.read_exact(&mut received)).await;
    assert!(early.is_err());

    proxy.set(Mode::Pass);
    within("the held bytes", far.read_exact(&mut received)).await??;
    assert_eq!(&received, b"held");
    Ok(())
}

#[tokio::test]
async fn a_delay_delays() -> Result<()> {
    let server = NatsServer::start().await?;
    let proxy = Proxy::start(server.address()).await?;
    let client = async_nats::connect(proxy.url()).await?;
    let delay = Duration::from_millis(30);
    proxy.set(Mode::Delay(delay));

    let before = Instant::now();
    within("a flush", client.flush()).await??;
    within("a round trip", client.request("nobody", "".into())).await?.unwrap_err();

    assert!(before.elapsed() >= 2 * delay);
    Ok(())
}

#[tokio::test]
async fn a_fake_server_expects_exact_bytes() -> Result<()> {
    let server = FakeServer::start().await?;
    let mut client = TcpStream::connect(("127.0.0.1", server.port())).await?;
    let mut connection = server.accept().await?;

    client.write_all(b"CONNECT {\"lang\":\"test\"}\r\nPING\r\n").await?;
    let connect = connection.handshake(INFO).await?;
    assert_eq!(connect["lang"], "test");
    let mut greeting = vec![0; format!("INFO {INFO}\r\nPONG\r\n").len()];
    within("INFO and PONG", client.read_exact(&mut greeting)).await??;

    client.write_all(b"PUB a.b 2\r\nhi\r\n").await?;
    connection.expect("PUB a.b 2\r\nhi\r\n").await?;

    client.write_all(b"PONG\r\nPUB a.b").await?;
    connection.expect_silence().await?;
    let error = connection.expect("PUB a.c").await.unwrap_err();
    assert_eq!(error.to_string(), "expected PUB a.c, got PUB a.b");
    Ok(())
}

#[tokio::test]
async fn a_fake_server_sees_its_client_leave() -> Result<()> {
    let server = FakeServer::start().await?;
    let client = TcpStream::connect(("127.0.0.1", server.port())).await?;
    let mut connection = server.accept().await?;
    drop(client);
    connection.expect_closed().await
}

#[tokio::test]
async fn a_host_is_asked_to_stop_and_leaves_its_log() -> Result<()> {
    let script = r#"
        trap 'echo stopping >&2; exit 3' TERM
        echo '{"fields":{"message":"plugin ready"},"span":{"plugin":"echo"}}' >&2
        while :; do read -r _ || sleep 0.01; done"#;
    let host = HostProcess::start("sh", ["-c", script])?;
    host.wait_until_ready("echo").await?;

    let finished = host.stop().await?;

    assert_eq!(finished.status.code(), Some(3));
    assert_eq!(finished.log.last().context("no log")?.text, "stopping");
    Ok(())
}

#[tokio::test]
async fn output_that_ends_without_the_awaited_line_is_an_error() -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", "echo the reason >&2"]);
    let error = HostProcess::spawn(command)?.wait_until_ready("echo").await.unwrap_err();
    assert!(error.to_string().contains("the reason"), "{error}");
    Ok(())
}

#[test]
fn a_missing_guest_names_the_recipe_that_builds_it() {
    let error = guest("no-such-guest").unwrap_err().to_string();
    assert!(error.contains("cargo xtask guests"), "{error}");
}
