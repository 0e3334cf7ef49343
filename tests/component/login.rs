//! Logging in: every way to do it, what is said when it fails, and who gets to see
//! the secrets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use test_support::{Accounts, FakeServer, Finished, HostProcess, INFO, NatsServer, TempDir};

use crate::harness::{self, Probe, run_until_ready};
use crate::program::{assert_has, command, failure, output, run_to_end, start, told};

const USER: &str = r#"authorization { user: "derek", password: "p@ss:w/rd" }"#;
const TOKEN: &str = r#"authorization { token: "t0p-s3cret" }"#;

/// All that the host and the libraries that see its secrets can log.
const VERBOSE: &str = "info,simple_nats=trace,rustls=trace,tokio_rustls=trace,nkeys=trace";

async fn server(config: &str) -> Result<NatsServer> {
    NatsServer::builder().config(config).start().await
}

/// The arguments of `pub` to a server, which succeeds only if the server has taken
/// the message.
fn publish<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["pub", "greetings", "hello", "--server", url], more].concat()
}

/// Publishes with these environment variables.
async fn publish_with(url: &str, variables: &[(&str, &str)]) -> Result<Finished> {
    let mut program = command(&publish(url, &[]));
    program.envs(variables.iter().copied());
    HostProcess::spawn(program)?.wait().await
}

/// Asserts that nothing a program wrote has one of these texts in it.
#[track_caller]
fn assert_hidden(finished: &Finished, secrets: &[&str]) {
    let log = finished.log.iter().map(|line| &line.text);
    for line in log.chain(&finished.stdout) {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret:?} in {line:?}");
        }
    }
}

/// A file of its own folder, which lasts as long as the first value.
fn file(name: &str, text: &str) -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::new()?;
    let path = folder.path().join(name);
    std::fs::write(&path, text)?;
    Ok((folder, path))
}

// User, password and token

#[tokio::test]
async fn user_and_password_are_options_variables_or_in_the_address() -> Result<()> {
    let server = server(USER).await?;
    let url = server.url();
    let address = format!("nats://derek:p%40ss%3Aw%2Frd@{}", server.address());
    assert_has(&failure(4, &publish(&url, &[])).await?, &["Authorization Violation"]);
    output(&publish(&url, &["--user", "derek", "--password", "p@ss:w/rd"])).await?;
    output(&publish(&address, &[])).await?;
    let by_variables =
        publish_with(&url, &[("NATS_USER", "derek"), ("NATS_PASSWORD", "p@ss:w/rd")]).await?;
    assert!(by_variables.status.success(), "{:?}", by_variables.log);
    Ok(())
}

#[tokio::test]
async fn a_token_is_an_option_a_variable_or_in_the_address() -> Result<()> {
    let server = server(TOKEN).await?;
    let url = server.url();
    assert_has(&failure(4, &publish(&url, &[])).await?, &["Authorization Violation"]);
    output(&publish(&url, &["--token", "t0p-s3cret"])).await?;
    output(&publish(&format!("nats://t0p-s3cret@{}", server.address()), &[])).await?;
    let by_variable = publish_with(&url, &[("NATS_TOKEN", "t0p-s3cret")]).await?;
    assert!(by_variable.status.success(), "{:?}", by_variable.log);
    Ok(())
}

#[tokio::test]
async fn the_command_line_goes_before_the_environment() -> Result<()> {
    let server = server(USER).await?;
    let mut program =
        command(&["pub", "greetings", "hello", "--user", "derek", "--password", "p@ss:w/rd"]);
    program.env("NATS_URL", format!("nats://wrong:wrong@{}", server.address()));
    program.env("NATS_TOKEN", "wrong").env("NATS_CREDS", "/nowhere").env("NATS_USER", "wrong");
    let finished = HostProcess::spawn(program)?.wait().await?;
    assert!(finished.status.success(), "{:?}", finished.log);

    let mut program = command(&publish(&server.url(), &["--user", "derek"]));
    program.env("NATS_PASSWORD", "p@ss:w/rd");
    let finished = HostProcess::spawn(program)?.wait().await?;
    assert!(finished.status.success(), "{:?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn a_context_of_the_nats_command_says_what_nobody_else_does() -> Result<()> {
    let server = server(USER).await?;
    let folder = TempDir::new()?;
    let contexts = folder.path().join("nats/context");
    std::fs::create_dir_all(&contexts)?;
    let login = json!({ "url": server.url(), "user": "derek", "password": "p@ss:w/rd" });
    std::fs::write(contexts.join("right.json"), login.to_string())?;
    let nobody = json!({ "url": "127.0.0.1:1", "token": "wrong" });
    std::fs::write(contexts.join("wrong.json"), nobody.to_string())?;
    let publish = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut program = command(&[&["pub", "greetings", "hello"], arguments].concat());
        program.env("XDG_CONFIG_HOME", folder.path()).envs(variables.iter().copied());
        HostProcess::spawn(program)
    };
    let by_option = publish(&["--context", "right"], &[("NATS_CONTEXT", "wrong")])?.wait().await?;
    assert!(by_option.status.success(), "{:?}", by_option.log);
    let by_variable = publish(&[], &[("NATS_CONTEXT", "right")])?.wait().await?;
    assert!(by_variable.status.success(), "{:?}", by_variable.log);
    let url = server.url();
    let overridden = ["--context", "wrong", "--server", &url, "--user", "derek", "--password"];
    let overridden = publish(&[&overridden[..], &["p@ss:w/rd"]].concat(), &[])?.wait().await?;
    assert!(overridden.status.success(), "{:?}", overridden.log);

    let missing = publish(&["--context", "none"], &[])?.wait().await?;
    assert_has(&told(&missing, 2)?, &["\"none\"", "nats/context/none.json", "No such file"]);
    let escaping = publish(&["--context", "../x"], &[])?.wait().await?;
    assert_has(&told(&escaping, 2)?, &["../x"]);
    Ok(())
}

#[tokio::test]
async fn logins_that_are_half_or_two_are_told_before_connecting() -> Result<()> {
    let nobody = publish("127.0.0.1:1", &[]);
    let refused = |finished: Finished| told(&finished, 2);
    let error = refused(run_to_end(&[&nobody[..], &["--user", "derek"]].concat()).await?)?;
    assert_has(&error, &["--user", "--password"]);
    let both = [("NATS_TOKEN", "one"), ("NATS_CREDS", "/nowhere")];
    let error = refused(publish_with("127.0.0.1:1", &both).await?)?;
    assert_has(&error, &["NATS_TOKEN", "NATS_CREDS"]);
    Ok(())
}

#[tokio::test]
async fn a_variable_that_is_empty_counts_as_none() -> Result<()> {
    let server = server(TOKEN).await?;
    let empty = ["NATS_USER", "NATS_PASSWORD", "NATS_NKEY", "NATS_CREDS", "NATS_CA", "NATS_CERT"];
    let mut variables: Vec<_> = empty.iter().map(|name| (*name, "")).collect();
    variables.push(("NATS_TOKEN", "t0p-s3cret"));
    let finished = publish_with(&server.url(), &variables).await?;
    assert!(finished.status.success(), "{:?}", finished.log);

    let mut help = command(&["pub", "--help"]);
    help.env("NATS_URL", "");
    let help = HostProcess::spawn(help)?.wait().await?;
    assert!(help.stdout.iter().any(|line| line.contains("localhost:4222")), "{:?}", help.stdout);
    Ok(())
}

#[tokio::test]
async fn a_wrong_login_is_told_without_its_secret() -> Result<()> {
    let server = server(USER).await?;
    let url = server.url();
    let address = format!("nats://derek:hunter2@{}", server.address());
    let token = format!("nats://hunter2@{}", server.address());
    for arguments in [
        publish(&url, &["--user", "derek", "--password", "hunter2"]),
        publish(&url, &["--token", "hunter2"]),
        publish(&address, &[]),
        publish(&token, &[]),
        vec!["sub", ">", "--server", &address],
        vec!["run", "--server", &address, "-A", guest_path("probe")?.as_str()],
    ] {
        let arguments = [&arguments[..], &["--log-filter", VERBOSE]].concat();
        let finished = run_to_end(&arguments).await?;
        let error = told(&finished, 4)?;
        assert_has(&error, &["refused", "Authorization Violation"]);
        assert_hidden(&finished, &["hunter2"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_login_that_succeeds_is_not_shown_either() -> Result<()> {
    let server = server(USER).await?;
    let address = format!("nats://derek:p%40ss%3Aw%2Frd@{}", server.address());
    let probe = guest_path("probe")?;
    let host = start(&["run", "--server", &address, "-A", &probe, "--log-filter", VERBOSE])?;
    host.wait_until_ready("probe").await?;
    assert_hidden(&host.stop().await?, &["p@ss", "p%40ss"]);
    Ok(())
}

// Keys and credentials

#[tokio::test]
async fn a_key_proves_itself_with_a_signature() -> Result<()> {
    let key = nkeys::KeyPair::new_user();
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key());
    let server = server(&users).await?;
    let url = server.url();
    let (_folder, right) = file("right.nk", &format!("{}\n", key.seed()?))?;
    output(&publish(&url, &["--nkey", text(&right)?])).await?;

    let other = nkeys::KeyPair::new_user().seed()?;
    let (_folder, wrong) = file("wrong.nk", &other)?;
    let arguments = publish(&url, &["--nkey", text(&wrong)?, "--log-filter", VERBOSE]);
    let finished = run_to_end(&arguments).await?;
    assert_has(&told(&finished, 4)?, &["Authorization Violation"]);
    assert_hidden(&finished, &[&other]);
    Ok(())
}

#[tokio::test]
async fn a_key_is_of_no_use_to_a_server_without_keys() -> Result<()> {
    let server = server(USER).await?;
    let seed = nkeys::KeyPair::new_user().seed()?;
    let (_folder, key) = file("user.nk", &seed)?;
    let error = failure(4, &publish(&server.url(), &["--nkey", text(&key)?])).await?;
    assert_has(&error, &["the server sent no nonce"]);
    Ok(())
}

#[tokio::test]
async fn a_credentials_file_logs_in_where_accounts_are_decentralised() -> Result<()> {
    let accounts = Accounts::new();
    let server = server(&accounts.config()?).await?;
    let credentials = accounts.user(None)?;
    let (_folder, path) = file("user.creds", &credentials)?;
    output(&publish(&server.url(), &["--creds", text(&path)?])).await?;

    let strange = Accounts::new().user(None)?;
    let (_folder, path) = file("strange.creds", &strange)?;
    let url = server.url();
    let arguments = publish(&url, &["--creds", text(&path)?, "--log-filter", VERBOSE]);
    let finished = run_to_end(&arguments).await?;
    assert_has(&told(&finished, 4)?, &["Authorization Violation"]);
    let secrets: Vec<_> = strange.lines().filter(|line| line.len() > 40).collect();
    assert_eq!(secrets.len(), 2, "a JWT and a seed");
    assert_hidden(&finished, &secrets);
    Ok(())
}

#[tokio::test]
async fn a_credentials_file_that_is_replaced_is_used_when_the_old_one_expires() -> Result<()> {
    let accounts = Accounts::new();
    let server = server(&accounts.config()?).await?;
    let (_folder, path) = file("user.creds", &accounts.user(Some(Duration::from_secs(4)))?)?;
    let arguments = ["-A", "--name", "rotated", "--creds", text(&path)?];
    let host = run_until_ready(&server.url(), &["echo"], &arguments).await?;
    let before = harness::connection_id(&server, "rotated").await?;

    std::fs::write(&path, accounts.user(None)?)?;
    let lost = host.wait_for_log("the end of the old login", |line| {
        line.message() == Some("disconnected, reconnecting")
    });
    assert_has(&lost.await?.text, &["Expired"]);
    host.wait_for_log("a new login", |line| line.message() == Some("reconnected")).await?;
    assert_ne!(harness::connection_id(&server, "rotated").await?, before);
    let creds = ["request", "echo", "hello", "--server", &server.url(), "--creds", text(&path)?];
    assert_eq!(output(&creds).await?, ["hello"]);
    Ok(())
}

#[tokio::test]
async fn a_credentials_file_of_no_use_is_named() -> Result<()> {
    let accounts = Accounts::new();
    let server = server(&accounts.config()?).await?;
    let good = accounts.user(None)?;
    let without_seed = good.split("-----BEGIN USER").next().context("no seed")?;
    for (content, reason) in [
        (None, "No such file"),
        (Some("garbage"), "no `BEGIN NATS USER JWT` section"),
        (Some(""), "no `BEGIN NATS USER JWT` section"),
        (Some(without_seed), "no valid nkey seed"),
    ] {
        let (folder, path) = file("some.creds", content.unwrap_or_default())?;
        if content.is_none() {
            drop(folder);
        }
        let error = failure(2, &publish(&server.url(), &["--creds", text(&path)?])).await?;
        assert_has(&error, &["credentials file", text(&path)?, reason]);
    }
    Ok(())
}

// Who sees the secrets

#[tokio::test]
async fn a_server_that_a_guest_opens_gets_nothing_of_the_hosts_login() -> Result<()> {
    let config = r#"authorization { users: [
        { user: "derek", password: "p@ss:w/rd" }, { user: "test", password: "test" } ] }"#;
    let own = server(config).await?;
    let options = async_nats::ConnectOptions::with_user_and_password("test".into(), "test".into());
    let probe = Probe::new(own.client_with(options).await?);
    let in_address = format!("nats://derek:p%40ss%3Aw%2Frd@{}", own.address());
    for (url, login) in [
        (own.url(), &["-A", "--user", "derek", "--password", "p@ss:w/rd"][..]),
        (in_address, &["-A"]),
    ] {
        let host = run_until_ready(&url, &["probe"], login).await?;
        let other = FakeServer::start().await?;
        let (client, connect) =
            tokio::join!(probe.obey(json!({ "op": "connect", "server": other.url() })), async {
                other.accept().await?.handshake(INFO).await
            });
        client?;
        let connect = connect?;
        assert!(connect["name"].is_string(), "{connect}");
        for secret in ["user", "pass", "auth_token", "jwt", "nkey", "sig"] {
            assert!(connect[secret].is_null(), "{connect}");
        }
        assert!(host.stop().await?.status.success());
    }
    Ok(())
}

fn guest_path(name: &str) -> Result<String> {
    text(&test_support::guest(name)?).map(str::to_owned)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| path.display().to_string())
}
