//! Encrypted connections, and those over WebSocket: what is encrypted when, who is
//! trusted, and what is said when somebody is not.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use test_support::{
    Authority, FakeServer, HostProcess, INFO, Identity, NatsServer, Proxy, eventually,
};

use crate::harness::run_until_ready;
use crate::program::{self, assert_has, command, failure, output, output_for, run_to_end, told};

/// A server that shows this certificate, with more settings of `tls`.
async fn server_showing(identity: &Identity, settings: &str) -> Result<NatsServer> {
    let config = format!("tls {{\n{}\n{settings}\n}}", identity.config());
    NatsServer::builder().config(config).start().await
}

/// A server for this machine that demands TLS, with more settings of `tls`.
async fn tls_server(authority: &Authority, settings: &str) -> Result<NatsServer> {
    server_showing(&authority.for_this_machine()?, settings).await
}

/// The arguments of `pub` to a server, which succeeds only if the server has taken
/// the message.
fn publish<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["pub", "greetings", "hello", "--server", url], more].concat()
}

/// What the server says of the only connection that it has had and lost.
async fn past_connection(server: &NatsServer) -> Result<Value> {
    eventually("the end of a connection", async || {
        let page = server.monitor("/connz?state=closed").await?;
        Ok(page.pointer("/connections/0").cloned())
    })
    .await
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| path.display().to_string())
}

// When it is encrypted

#[tokio::test]
async fn a_server_that_demands_tls_gets_it() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let ca = text(authority.file())?;
    output(&publish(&server.url(), &["--tls-ca", ca])).await?;
    assert_eq!(past_connection(&server).await?["tls_version"], "1.3");
    Ok(())
}

#[tokio::test]
async fn an_address_of_tls_is_encrypted() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let ca = text(authority.file())?;
    let url = format!("tls://localhost:{}", server.port());
    output(&publish(&url, &["--tls-ca", ca])).await?;
    assert_eq!(past_connection(&server).await?["tls_version"], "1.3");
    Ok(())
}

#[tokio::test]
async fn tls_that_a_server_only_offers_is_used_when_asked_for() -> Result<()> {
    let authority = Authority::new()?;
    let ca = text(authority.file())?;
    for (asked, scheme, more) in
        [(false, "nats", None), (true, "nats", Some("--tls")), (true, "tls", None)]
    {
        let tls = authority.for_this_machine()?.config();
        let config = format!("allow_non_tls: true\ntls {{ {tls} }}");
        let server = NatsServer::builder().config(config).start().await?;
        let url = format!("{scheme}://{}", server.address());
        let more: Vec<_> = ["--tls-ca", ca].into_iter().chain(more).collect();
        output(&publish(&url, &more)).await?;
        let connection = past_connection(&server).await?;
        assert_eq!(connection.get("tls_version").is_some(), asked, "{url} {more:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_asked_for() -> Result<()> {
    let server = NatsServer::start().await?;
    let authority = Authority::new()?;
    let ca = text(authority.file())?;
    let tls = format!("tls://{}", server.address());
    for arguments in
        [publish(&server.url(), &["--tls", "--tls-ca", ca]), publish(&tls, &["--tls-ca", ca])]
    {
        let error = failure(4, &arguments).await?;
        assert_has(&error, &["TLS is required here, and the server does not offer it"]);
    }
    assert_eq!(server.varz().await?["in_msgs"], 0);
    Ok(())
}

#[tokio::test]
async fn a_handshake_first_is_made_when_asked_for() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "handshake_first: true").await?;
    let (url, ca) = (server.url(), text(authority.file())?);
    output(&publish(&url, &["--tls-first", "--tls-ca", ca])).await?;
    let connection = past_connection(&server).await?;
    assert_eq!(connection["tls_first"], true, "{connection}");

    let short = publish(&url, &["--tls-ca", ca, "--connect-timeout", "200ms"]);
    assert_has(&failure(4, &short).await?, &["no NATS handshake within 200ms"]);
    Ok(())
}

#[tokio::test]
async fn a_server_that_speaks_first_is_refused_by_a_handshake_first() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let arguments = ["--tls-first", "--tls-ca", text(authority.file())?];
    let error = failure(4, &publish(&server.url(), &arguments)).await?;
    assert_has(&error, &["the server answered with something else than TLS"]);
    Ok(())
}

#[tokio::test]
async fn plain_text_before_the_handshake_is_refused() -> Result<()> {
    let authority = Authority::new()?;
    let server = FakeServer::start().await?;
    let url = server.url();
    let program = program::start(&publish(&url, &["--tls-ca", text(authority.file())?]))?;
    let mut connection = server.accept().await?;
    connection.send("INFO {\"tls_required\":true}\r\nMSG a 1 0\r\n\r\n").await?;
    let error = told(&program.wait().await?, 4)?;
    assert_has(&error, &["plain text came before the encryption", "MSG a 1 0"]);
    // Nothing of what it was given to log in with, for one.
    connection.expect_closed().await
}

#[tokio::test]
async fn a_refusal_right_behind_the_introduction_is_told() -> Result<()> {
    let server = FakeServer::start().await?;
    let program = program::start(&publish(&server.url(), &[]))?;
    let mut connection = server.accept().await?;
    connection.send(format!("INFO {INFO}\r\n-ERR 'maximum connections exceeded'\r\n")).await?;
    assert_has(&told(&program.wait().await?, 4)?, &["maximum connections exceeded"]);
    Ok(())
}

#[tokio::test]
async fn an_address_of_ipv6_is_encrypted() -> Result<()> {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return Ok(());
    }
    let authority = Authority::new()?;
    let config = format!("tls {{ {} }}", authority.for_this_machine()?.config());
    let server = NatsServer::builder().config(config).args(["-a", "::1"]).start().await?;
    let url = format!("tls://[::1]:{}", server.port());
    output(&publish(&url, &["--tls-ca", text(authority.file())?])).await?;
    assert_eq!(past_connection(&server).await?["tls_version"], "1.3");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_made_anew_is_encrypted_too() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let ca = text(authority.file())?;
    let proxy = Proxy::start(server.address()).await?;
    let arguments = ["-A", "--name", "echo", "--tls-ca", ca];
    let host = run_until_ready(&proxy.url(), &["echo"], &arguments).await?;

    proxy.cut();
    host.wait_for_log("a new connection", |line| line.message() == Some("reconnected")).await?;
    let request = ["request", "echo", "hello", "--server", &server.url(), "--tls-ca", ca];
    assert_eq!(output(&request).await?, ["hello"]);
    let connection = server.connection("echo").await?.context("no connection")?;
    assert_eq!(connection["tls_version"], "1.3");
    Ok(())
}

// Who is trusted

#[tokio::test]
async fn a_server_that_wants_certificates_is_shown_one() -> Result<()> {
    let authority = Authority::new()?;
    let ca = text(authority.file())?;
    let server = tls_server(&authority, &format!("ca_file: {ca:?}, verify: true")).await?;
    let url = server.url();
    let without = failure(4, &publish(&url, &["--tls-ca", ca])).await?;
    assert_has(&without, &["the server wants a certificate", "--tls-cert"]);

    let own = authority.issue("plugin", &[])?;
    let (certificate, key) = (text(&own.certificate)?, text(&own.key)?);
    let arguments = ["--tls-ca", ca, "--tls-cert", certificate, "--tls-key", key];
    output(&publish(&url, &arguments)).await?;

    let others = Authority::new()?;
    let strange = others.issue("stranger", &[])?;
    let (certificate, key) = (text(&strange.certificate)?, text(&strange.key)?);
    let arguments = ["--tls-ca", ca, "--tls-cert", certificate, "--tls-key", key];
    let error = failure(4, &publish(&url, &arguments)).await?;
    assert_has(&error, &["the server does not accept the certificate"]);
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() -> Result<()> {
    let authority = Authority::new()?;
    let server = server_showing(&authority.issue("other", &["other.example"])?, "").await?;
    let arguments = ["--tls-ca", text(authority.file())?];
    let error = failure(4, &publish(&server.url(), &arguments)).await?;
    assert_has(&error, &["TLS with 127.0.0.1", "not valid for name", "other.example"]);
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    for stranger in [Authority::new()?, Authority::called("stranger")?] {
        let arguments = ["--tls-ca", text(stranger.file())?];
        let error = failure(4, &publish(&server.url(), &arguments)).await?;
        assert_has(&error, &["no authority that is trusted here", "--tls-ca"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_authority_that_the_system_trusts_needs_no_option() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let mut program = command(&publish(&server.url(), &[]));
    program.env("SSL_CERT_FILE", authority.file()).env_remove("SSL_CERT_DIR");
    let finished = HostProcess::spawn(program)?.wait().await?;
    assert!(finished.status.success(), "{:?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_refused_as_a_servers_own() -> Result<()> {
    let authority = Authority::new()?;
    let server = server_showing(authority.own(), "").await?;
    let arguments = ["--tls-ca", text(authority.file())?];
    let error = failure(4, &publish(&server.url(), &arguments)).await?;
    assert_has(&error, &["the server shows an authority's certificate as its own", "self-signed"]);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_of_no_use_is_named() -> Result<()> {
    let authority = Authority::new()?;
    let server = tls_server(&authority, "").await?;
    let url = server.url();
    let own = authority.for_this_machine()?;
    let (ca, key) = (text(authority.file())?, text(&own.key)?);
    let missing = "/nowhere/ca.pem";
    for (arguments, named) in [
        (vec!["--tls-ca", missing], missing),
        (vec!["--tls-ca", key], key),
        (vec!["--tls-ca", ca, "--tls-cert", missing, "--tls-key", key], missing),
        (vec!["--tls-ca", ca, "--tls-cert", ca, "--tls-key", ca], ca),
    ] {
        let error = failure(2, &publish(&url, &arguments)).await?;
        assert_has(&error, &["TLS file", named]);
    }
    Ok(())
}

// WebSocket

/// A server that listens for WebSocket with these settings, and where.
async fn websocket_server(settings: &str) -> Result<(NatsServer, String)> {
    let config = format!("websocket {{ host: \"127.0.0.1\", port: -1, {settings} }}");
    let server = NatsServer::builder().config(config).start().await?;
    let find = |line: &str| {
        Some(line.split_once("Listening for websocket clients on ")?.1.trim_end().to_owned())
    };
    let url = server.log().wait_for("the WebSocket port", find).await?;
    Ok((server, url))
}

/// Has a plugin echo the largest payload, both over this server.
async fn echo_a_megabyte(url: &str, arguments: &[&str]) -> Result<()> {
    let plugin = [&["-A"], arguments].concat();
    let _host = run_until_ready(url, &["echo"], &plugin).await?;
    let payload = "0123456789abcdef".repeat(64 * 1024);
    let request = [&["request", "echo", "-", "--server", url], arguments].concat();
    let answer = output_for(payload.as_bytes(), &request).await?;
    assert!(answer.trim_end() == payload, "{} bytes, or others", answer.len());
    Ok(())
}

#[tokio::test]
async fn a_websocket_carries_the_largest_payload() -> Result<()> {
    let (_server, url) = websocket_server("no_tls: true").await?;
    assert!(url.starts_with("ws://"), "{url}");
    echo_a_megabyte(&url, &[]).await
}

#[tokio::test]
async fn an_encrypted_websocket_carries_the_largest_payload() -> Result<()> {
    let authority = Authority::new()?;
    let identity = authority.for_this_machine()?.config();
    let (_server, url) = websocket_server(&format!("tls {{ {identity} }}")).await?;
    assert!(url.starts_with("wss://"), "{url}");
    echo_a_megabyte(&url, &["--tls-ca", text(authority.file())?]).await?;

    let stranger = Authority::new()?;
    let error = failure(4, &publish(&url, &["--tls-ca", text(stranger.file())?])).await?;
    assert_has(&error, &["no authority that is trusted here"]);
    Ok(())
}

#[tokio::test]
async fn a_websocket_is_made_anew_after_it_was_cut() -> Result<()> {
    let (server, url) = websocket_server("no_tls: true").await?;
    let target = url.trim_start_matches("ws://").parse()?;
    let proxy = Proxy::start(target).await?;
    let proxied = format!("ws://127.0.0.1:{}", proxy.port());
    let host = run_until_ready(&proxied, &["echo"], &["-A"]).await?;

    proxy.cut();
    host.wait_for_log("a new connection", |line| line.message() == Some("reconnected")).await?;
    let request = ["request", "echo", "hello", "--server", &server.url()];
    assert_eq!(output(&request).await?, ["hello"]);
    Ok(())
}

#[tokio::test]
async fn a_server_without_websocket_is_refused() -> Result<()> {
    let server = NatsServer::start().await?;
    let url = format!("ws://{}", server.address());
    let finished = run_to_end(&publish(&url, &[])).await?;
    assert_has(&told(&finished, 4)?, &["WebSocket"]);
    Ok(())
}

#[tokio::test]
async fn a_websocket_without_tls_is_refused_where_it_is_asked_for() -> Result<()> {
    let (server, url) = websocket_server("no_tls: true").await?;
    let error = failure(4, &publish(&url, &["--tls"])).await?;
    assert_has(&error, &["the server answered with something else than TLS"]);
    assert_eq!(server.varz().await?["in_msgs"], 0);
    Ok(())
}
