//! Connections as a plugin makes them: their names, the addresses of servers, and
//! what a server tells of itself.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{NatsServer, Signal, eventually};

use crate::harness::{GuestError, Probe, Scene, run, run_until_ready};

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

fn kind(error: &GuestError) -> &str {
    &error.kind
}

// Names

#[tokio::test]
async fn a_generated_name_is_a_uuid_that_the_server_sees() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let name = scene.probe().obey(json!({ "op": "name" })).await?;
    let parts: Vec<_> = text(&name)?.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{name}");
    assert_eq!(text(&name)?.as_bytes()[14], b'4', "{name} is no uuid of version 4");
    assert!(scene.server.connection(text(&name)?).await?.is_some(), "{name}");
    Ok(())
}

#[tokio::test]
async fn a_chosen_name_is_what_the_server_sees() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "my_consumer"]).await?;
    let probe = scene.probe();
    assert_eq!(probe.obey(json!({ "op": "name" })).await?, "my_consumer");
    assert!(scene.server.connection("my_consumer").await?.is_some());

    let other = probe.obey(json!({ "op": "connect", "name": "orders.reader" })).await?;
    assert_eq!(probe.obey(json!({ "op": "name", "client": other })).await?, "orders.reader");
    assert!(scene.server.connection("orders.reader").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn the_same_server_and_options_are_the_same_connection() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    assert_eq!(probe.obey(json!({ "op": "connect" })).await?, 0);
    let own = json!({ "op": "connect", "server": scene.server.url() });
    assert_eq!(probe.obey(own).await?, 0);
    let named = json!({ "op": "connect", "name": "other" });
    assert_eq!(probe.obey(named.clone()).await?, 1);
    assert_eq!(probe.obey(named).await?, 1);
    let connections = scene.server.connz().await?["num_connections"].clone();
    assert_eq!(connections, 3, "two of the plugin, one of the test");
    Ok(())
}

#[tokio::test]
async fn names_that_make_no_subject_are_refused_to_the_guest() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    for bad in ["", "a b", "a*", "*", ">", "a.>", "a..b", ".a", "a.", "a\r\nPUB x 0", "a\tb"] {
        let by_name = probe.refuse(json!({ "op": "connect", "name": bad })).await?;
        assert_eq!(kind(&by_name), "NameInvalid", "{bad:?}");
        let by_prefix = probe.refuse(json!({ "op": "connect", "prefix": bad })).await?;
        assert_eq!(kind(&by_prefix), "NameInvalid", "{bad:?}");
    }
    let named = probe.refuse(json!({ "op": "connect", "name": "a b" })).await?;
    assert!(named.text.contains("\"a b\""), "{}", named.text);
    assert_eq!(scene.server.connz().await?["num_connections"], 2);
    Ok(())
}

#[tokio::test]
async fn names_that_make_no_subject_are_refused_to_the_operator() -> Result<()> {
    // Refused before anything is connected: there is no server at this address.
    for option in ["--name", "--inbox-prefix"] {
        let host = run("nats://127.0.0.1:1", &["probe"], &["-A", option, "a b"])?;
        let finished = host.wait().await?;
        assert_eq!(finished.status.code(), Some(2), "{option}");
        let said = finished.log.iter().any(|line| line.text.contains("\"a b\""));
        assert!(said, "{option}: {:?}", finished.log);
    }
    Ok(())
}

// Addresses

#[tokio::test]
async fn a_server_is_found_by_every_form_of_its_address() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let other = NatsServer::start().await?;
    let port = other.port();
    for address in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("nats://127.0.0.1:{port}"),
        format!("NATS://localhost:{port}/"),
    ] {
        let client = probe.obey(json!({ "op": "connect", "server": address })).await?;
        let info = probe.obey(json!({ "op": "server_info", "client": client })).await?;
        assert_eq!(info["port"], port, "{address}");
    }
    Ok(())
}

#[tokio::test]
async fn a_login_in_the_address_is_used() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    let users = r#"authorization { users: [{ user: derek, password: "p@ss" }] }"#;
    let server = NatsServer::builder().config(users).start().await?;
    let address = server.address();

    let wrong = json!({ "op": "connect", "server": format!("nats://derek:no@{address}") });
    let error = probe.refuse(wrong).await?;
    assert_eq!(kind(&error), "ConnectFailed");
    assert!(error.text.contains("Authorization Violation"), "{}", error.text);
    assert!(!error.text.contains("no@"), "{}", error.text);

    let right = json!({ "op": "connect", "server": format!("nats://derek:p%40ss@{address}") });
    let client = probe.obey(right).await?;
    assert_eq!(probe.obey(json!({ "op": "status", "client": client })).await?, "connected");

    let token = r#"authorization { token: "s3cret" }"#;
    let server = NatsServer::builder().config(token).start().await?;
    let right = format!("nats://s3cret@{}", server.address());
    probe.obey(json!({ "op": "connect", "server": right })).await?;
    Ok(())
}

#[tokio::test]
async fn an_ipv6_address_stands_in_brackets() -> Result<()> {
    if tokio::net::TcpListener::bind("[::1]:0").await.is_err() {
        return Ok(());
    }
    let scene = Scene::of(&["probe"]).await?;
    let server = NatsServer::builder().args(["-a", "::1"]).start().await?;
    for address in [format!("[::1]:{}", server.port()), format!("nats://[::1]:{}", server.port())] {
        let command = json!({ "op": "connect", "server": address, "name": "six" });
        scene.probe().obey(command).await?;
    }
    assert!(server.connection("six").await?.is_some());
    Ok(())
}

// Elsewhere only 127.0.0.1 is there without being set up.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_port_defaults_to_4222() -> Result<()> {
    // An address for this process alone, so that the port is free.
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let address = format!("127.{}.{b}.{c}", a | 0x40);
    let server = NatsServer::builder().args(["-a", &address, "-p", "4222"]).start().await?;

    let host = run_until_ready(&address, &["probe"], &["-A", "--name", "default"]).await?;
    assert!(server.connection("default").await?.is_some());
    let probe = Probe::new(server.client().await?);
    for (index, form) in [address.clone(), format!("nats://{address}")].iter().enumerate() {
        let name = format!("default.{index}");
        probe.obey(json!({ "op": "connect", "server": form, "name": name })).await?;
        assert!(server.connection(&name).await?.is_some(), "{form}");
    }
    host.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_was_not_allowed_is_not_opened() -> Result<()> {
    let other = NatsServer::start().await?;
    let address = other.address().to_string();
    let command = json!({ "op": "connect", "server": address });
    let allowed = ["--allow-subscribe", "probe.cmd"];

    let scene = Scene::with(&["probe"], &allowed).await?;
    let error = scene.probe().refuse(command.clone()).await?;
    assert_eq!(kind(&error), "PermissionDenied");
    assert!(error.text.contains(&format!("--allow-connect {address}")), "{}", error.text);
    assert_eq!(other.connz().await?["num_connections"], 0);
    let own = json!({ "op": "connect", "server": scene.server.url() });
    assert_eq!(scene.probe().obey(own).await?, 0, "the host's own server needs no permission");

    let scene =
        Scene::with(&["probe"], &[&allowed[..], &["--allow-connect", &address]].concat()).await?;
    assert_eq!(scene.probe().obey(command).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_the_error() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    for (address, told) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("http://localhost", "\"http://localhost\""),
        ("localhost:70000", "\"localhost:70000\""),
        ("", "\"\""),
        ("::1", "[::1]"),
    ] {
        let error = scene.probe().refuse(json!({ "op": "connect", "server": address })).await?;
        assert_eq!(kind(&error), "ConnectFailed", "{address}");
        assert!(error.text.contains(told), "{address}: {}", error.text);
    }
    Ok(())
}

// What a server tells

#[tokio::test]
async fn server_info_is_what_the_server_tells_of_itself() -> Result<()> {
    let scene = Scene::with(&["probe"], &["-A", "--name", "asker"]).await?;
    let probe = scene.probe();
    // The account comes with a second INFO, behind the handshake.
    let info = eventually("the account", async || {
        let info = probe.obey(json!({ "op": "server_info" })).await?;
        Ok(info["remote_account"].is_string().then_some(info))
    })
    .await?;
    let general = scene.server.varz().await?;
    for same in ["server_id", "server_name", "version", "go", "git_commit", "max_payload", "proto"]
    {
        assert_eq!(info[same], general[same], "{same}");
    }
    assert_eq!(info["host"], "127.0.0.1");
    assert_eq!(info["port"], scene.server.port());
    assert_eq!(info["headers"], true);
    let connection = scene.server.connection("asker").await?.context("no connection")?;
    assert_eq!(info["connection_id"], connection["cid"]);
    assert_eq!(info["client_ip"], "127.0.0.1");
    assert_eq!(info["remote_account"], "$G");
    let flags = ["auth_required", "tls_required", "tls_verify", "tls_available", "jetstream"];
    for no in flags.into_iter().chain(["cluster_dynamic", "lame_duck_mode", "is_system_account"]) {
        assert_eq!(info[no], false, "{no}");
    }
    for absent in ["nonce", "cluster", "domain", "compression"] {
        assert!(info[absent].is_null(), "{absent}: {}", info[absent]);
    }
    let whole: Value = serde_json::from_str(text(&info["json"])?)?;
    assert_eq!(whole["server_id"], info["server_id"]);
    assert_eq!(whole["xkey"], info["xkey"]);
    assert_eq!(whole["api_lvl"], info["api_level"]);
    Ok(())
}

#[tokio::test]
async fn server_info_stays_current() -> Result<()> {
    let server = NatsServer::builder().cluster("c").start().await?;
    let scene = Scene::on(server, &["probe"], &["-A", "--name", "mover"]).await?;
    let probe = scene.probe();
    let info = probe.obey(json!({ "op": "server_info" })).await?;
    assert_eq!(info["cluster"], "c");

    let second = NatsServer::builder().join(&scene.server)?.start().await?;
    let address = json!(second.address().to_string());
    let known = |urls: &Value| urls.as_array().is_some_and(|urls| urls.contains(&address));
    let discovered = probe.wait_for_event(0, "discovered").await?;
    assert!(known(&discovered), "{discovered}");
    let info = probe.obey(json!({ "op": "server_info" })).await?;
    assert!(known(&info["connect_urls"]), "{}", info["connect_urls"]);

    // The host goes to the other server, and what it tells with it.
    scene.server.signal(Signal::USR2)?;
    second.wait_for_subscriptions("mover", &["probe.cmd"]).await?;
    let probe = Probe::new(second.client().await?);
    probe.wait_for_event(0, "lame-duck").await?;
    let info = probe.obey(json!({ "op": "server_info" })).await?;
    assert_eq!((&info["port"], &info["lame_duck_mode"]), (&json!(second.port()), &json!(false)));
    Ok(())
}

#[tokio::test]
async fn a_connection_tells_its_state_its_counts_and_its_round_trip() -> Result<()> {
    let scene = Scene::of(&["probe"]).await?;
    let probe = scene.probe();
    assert_eq!(probe.obey(json!({ "op": "status" })).await?, "connected");
    let rtt = probe.obey(json!({ "op": "rtt", "timeout_ms": 5000 })).await?;
    assert!(rtt.as_u64() > Some(0), "{rtt}");
    let events = probe.obey(json!({ "op": "events" })).await?;
    assert_eq!(events[0]["kind"], "connected");
    assert_eq!(events[0]["detail"], scene.server.address().to_string());

    let before = probe.obey(json!({ "op": "statistics" })).await?;
    let headers = json!([["A", "b"]]);
    probe
        .obey(json!({ "op": "publish", "subject": "x", "payload": "12345", "headers": headers }))
        .await?;
    let after = probe.obey(json!({ "op": "statistics" })).await?;
    let grown = |name: &str| after[name].as_u64().zip(before[name].as_u64()).map(|(a, b)| a - b);
    assert_eq!(grown("in_messages"), Some(2), "two commands: {after}");
    assert_eq!(grown("out_messages"), Some(3), "two answers and a message: {after}");
    assert_eq!(after["subscriptions"], 1);
    assert_eq!(after["reconnects"], 0);
    assert_eq!(after["dropped_messages"], 0);
    Ok(())
}
