//! Plugins run from a manifest, and what is told of a manifest that makes no
//! sense.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use test_support::{HostProcess, LogLine, NatsServer, TempDir, guest};

use crate::harness::Probe;
use crate::program::{self, assert_has, output, run_to_end, start};
use crate::second::ask;

/// A manifest in a folder of its own.
struct Written {
    folder: TempDir,
}

impl Written {
    /// `{echo}` in the text stands for the path of that guest.
    fn new(text: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let mut text = text.to_owned();
        for name in
            ["echo", "probe", "job", "half-world", "start-error", "queue-workers", "rpc-worker"]
        {
            text = text.replace(&format!("{{{name}}}"), &guest(name)?.display().to_string());
        }
        std::fs::write(folder.path().join("plugins.toml"), text)?;
        Ok(Self { folder })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("plugins.toml")
    }

    fn text_path(&self) -> String {
        self.path().display().to_string()
    }

    /// Starts `up` with it; waits for nothing.
    fn up(&self, url: &str) -> Result<HostProcess> {
        start(&["up", &self.text_path(), "--server", url, "--log-format", "json"])
    }
}

#[tokio::test]
async fn plugins_of_a_manifest_serve_each_with_its_own_rights() -> Result<()> {
    let server = NatsServer::start().await?;
    let manifest = Written::new(
        "[plugin.echo]\n\
         component = \"{echo}\"\n\
         client-name = \"the-echo\"\n\
         permissions.subscribe = [\"echo\"]\n\
         [plugin.probe]\n\
         component = \"{probe}\"\n\
         permissions.subscribe = [\"probe.cmd\"]\n\
         environment = { COLOUR = \"blue\" }\n",
    )?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("echo").await?;
    host.wait_until_ready("probe").await?;
    let client = server.client().await?;
    let probe = Probe::new(client.clone());

    let refused = probe.refuse(json!({ "op": "subscribe", "subject": "echo" })).await?;
    assert_eq!(refused.kind, "PermissionDenied");
    let advice = "\"echo\" in `subscribe` of [plugin.probe.permissions] would allow it";
    assert_has(&refused.text, &[advice]);
    let told = |line: &LogLine| line.text.contains("[plugin.probe.permissions]");
    host.wait_for_log("the refusal", told).await?;

    assert_eq!(ask(&client, "echo", "hello").await?.payload, "hello");
    assert!(server.connection("the-echo").await?.is_some());
    assert_eq!(probe.obey(json!({ "op": "environment" })).await?, json!([["COLOUR", "blue"]]));
    assert!(host.stop().await?.status.success());
    Ok(())
}

#[tokio::test]
async fn plugins_of_the_same_component_share_its_code() -> Result<()> {
    // So many that what each thread has, and is no plugin's, is there.
    const SOME: u64 = 20;
    const FURTHER: u64 = 200;
    // A connection, a mailbox, a stack, and the pages of its memory that a guest has
    // touched; code of its own would be a multiple of that.
    const MOST_EACH_BYTES: u64 = 64 << 10;

    let server = NatsServer::start().await?;
    let memory = async |count: u64| {
        let plugin = |number| format!("[plugin.echo-{number}]\ncomponent = \"{{echo}}\"\n");
        let plugins: String = (0..count).map(plugin).collect();
        let text = format!("[defaults]\npermissions.subscribe = [\"echo\"]\n{plugins}");
        let manifest = Written::new(&text)?;
        let host = manifest.up(&server.url())?;
        for number in 0..count {
            host.wait_until_ready(&format!("echo-{number}")).await?;
        }
        host.distinct_bytes()
    };
    let (some, all) = (memory(SOME).await?, memory(SOME + FURTHER).await?);
    let each = all.saturating_sub(some) / FURTHER;
    assert!(each <= MOST_EACH_BYTES, "{each} bytes for each further plugin");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_can_not_start_is_reported_while_the_others_run() -> Result<()> {
    let server = NatsServer::start().await?;
    let manifest = Written::new(
        "[plugin.broken]\n\
         component = \"{half-world}\"\n\
         [plugin.unwilling]\n\
         component = \"{start-error}\"\n\
         [plugin.echo]\n\
         component = \"{echo}\"\n\
         permissions.subscribe = [\"echo\"]\n",
    )?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("echo").await?;
    for (name, why) in [("broken", "handler@0.1.0"), ("unwilling", "start failed")] {
        let line = host
            .wait_for_log(name, |line| {
                line.message() == Some("plugin not started")
                    && line.field("plugin") == Some(&name.into())
            })
            .await?;
        assert_has(&line.text, &[why]);
    }
    assert_eq!(ask(&server.client().await?, "echo", "hello").await?.payload, "hello");
    let finished = host.stop().await?;
    assert_eq!(finished.status.code(), Some(1), "not all of them served");
    Ok(())
}

#[tokio::test]
async fn if_no_plugin_can_start_the_exit_code_says_why() -> Result<()> {
    let manifest = Written::new("[plugin.broken]\ncomponent = \"{half-world}\"\n")?;
    let finished = run_to_end(&["up", &manifest.text_path(), "--server", "127.0.0.1:1"]).await?;
    assert_eq!(finished.status.code(), Some(3));

    let manifest = Written::new(
        "[plugin.echo]\ncomponent = \"{echo}\"\npermissions.subscribe = [\"echo\"]\n",
    )?;
    let finished = run_to_end(&["up", &manifest.text_path(), "--server", "127.0.0.1:1"]).await?;
    assert_eq!(finished.status.code(), Some(4), "{:#?}", finished.log);
    Ok(())
}

#[tokio::test]
async fn every_mistake_is_told_in_a_line_of_its_own_with_its_place() -> Result<()> {
    let manifest = Written::new(
        "[plugin.echo]\ncomponent = \"no.wasm\"\n\n[plugin.other]\ncomponent = \"no-other.wasm\"\n",
    )?;
    for command in ["up", "check"] {
        let finished = run_to_end(&[command, &manifest.text_path()]).await?;
        assert_eq!(finished.status.code(), Some(2), "{command}");
        let lines: Vec<_> = finished.log.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert_has(lines[0], &["error: ", "plugins.toml:2:13: open ", "no.wasm"]);
        assert_has(lines[1], &["error: ", "plugins.toml:5:13: open ", "no-other.wasm"]);
    }
    let finished = run_to_end(&["up", "no-such.toml"]).await?;
    assert_eq!(finished.status.code(), Some(2));
    assert_has(&finished.log[0].text, &["no-such.toml", "No such file"]);
    Ok(())
}

#[tokio::test]
async fn check_tells_what_plugins_use_and_what_allows_nothing() -> Result<()> {
    let manifest = Written::new(
        "[plugin.echo]\n\
         component = \"{echo}\"\n\
         permissions = { subscribe = [\"echo\", \"echo.>\", \"echo.a\"], request = [\"a\"] }\n",
    )?;
    let lines = output(&["check", &manifest.text_path()]).await?;
    assert_has(&lines[0], &["echo: ok; uses ", "publisher", "subscriber"]);
    let warnings = lines[1..].join("\n");
    assert_has(&warnings, &["\"echo.a\" is allowed by \"echo.>\" already"]);
    assert!(lines[1..].iter().all(|line| line.starts_with("echo: warning: ")), "{lines:#?}");
    Ok(())
}

#[tokio::test]
async fn check_tells_of_each_component_that_does_not_run() -> Result<()> {
    let manifest = Written::new(
        "[plugin.broken]\n\
         component = \"{half-world}\"\n\
         [plugin.echo]\n\
         component = \"{echo}\"\n\
         [plugin.job]\n\
         component = \"{job}\"\n",
    )?;
    let finished = run_to_end(&["check", &manifest.text_path()]).await?;
    assert_eq!(finished.status.code(), Some(3));
    let told = finished.stdout.join("\n");
    assert_has(
        &told,
        &["broken: does not run here: ", "echo: ok", "job: does not run here: it is a"],
    );
    Ok(())
}

#[tokio::test]
async fn the_schema_in_the_docs_is_the_one_of_the_program() -> Result<()> {
    let printed: Value = serde_json::from_str(&output(&["schema"]).await?.join("\n"))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins.schema.json");
    let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kept: Value = serde_json::from_str(&kept)?;
    assert_eq!(printed, kept, "write it anew: simple-nats schema > docs/plugins.schema.json");
    Ok(())
}

#[tokio::test]
async fn plugins_on_a_shared_connection_are_one_client_with_rights_apart() -> Result<()> {
    let server = NatsServer::start().await?;
    let manifest = Written::new(
        "[defaults]\n\
         connection = \"main\"\n\
         [connection.main]\n\
         client-name = \"both\"\n\
         [plugin.echo]\n\
         component = \"{echo}\"\n\
         permissions.subscribe = [\"echo\"]\n\
         [plugin.probe]\n\
         component = \"{probe}\"\n\
         permissions.subscribe = [\"probe.cmd\"]\n",
    )?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("echo").await?;
    host.wait_until_ready("probe").await?;
    server.wait_for_subscriptions("both", &["echo", "probe.cmd"]).await?;
    assert_eq!(server.connz().await?["num_connections"], 1);

    let client = server.client().await?;
    let probe = Probe::new(client.clone());
    let refused = probe.refuse(json!({ "op": "subscribe", "subject": "echo" })).await?;
    assert_eq!(refused.kind, "PermissionDenied");
    let inbox = probe.obey(json!({ "op": "new_inbox" })).await?;
    let inbox = inbox.as_str().context("no inbox")?;
    let (own, _) = inbox.rsplit_once('.').context("no number")?;
    let (all, _) = own.rsplit_once('.').context("no part of its own")?;
    let of_all = json!({ "op": "subscribe", "subject": format!("{all}.>") });
    assert_eq!(probe.refuse(of_all).await?.kind, "PermissionDenied");
    probe.subscribe(&format!("{own}.>"), None).await?;

    // One of them leaves; the other stays.
    probe.obey(json!({ "op": "drain" })).await?;
    server.wait_for_subscriptions("both", &["echo"]).await?;
    assert_eq!(ask(&client, "echo", "hello").await?.payload, "hello");
    assert!(host.stop().await?.status.success());
    assert!(server.connection("both").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_connection_of_its_own_has_its_own_server_and_login() -> Result<()> {
    let server = NatsServer::start().await?;
    let config = "authorization { user: me, password: \"s3cret\" }";
    let other = NatsServer::builder().config(config).start().await?;
    let manifest = Written::new(&format!(
        "[plugin.echo]\n\
         component = \"{{echo}}\"\n\
         permissions.subscribe = [\"echo\"]\n\
         [plugin.echo.connection]\n\
         servers = [\"{}\"]\n\
         user = \"me\"\n\
         password = {{ file = \"password\" }}\n\
         [plugin.rpc-worker]\n\
         component = \"{{rpc-worker}}\"\n\
         permissions.allow-all = true\n",
        other.url()
    ))?;
    std::fs::write(manifest.folder.path().join("password"), "s3cret\n")?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("echo").await?;
    host.wait_until_ready("rpc-worker").await?;
    let login = async_nats::ConnectOptions::with_user_and_password("me".into(), "s3cret".into());
    let there = other.client_with(login).await?;
    assert_eq!(ask(&there, "echo", "hello").await?.payload, "hello");
    assert_eq!(server.connz().await?["num_connections"], 1, "the worker's");
    let finished = host.stop().await?;
    assert!(finished.log.iter().all(|line| !line.text.contains("s3cret")));
    Ok(())
}

#[tokio::test]
async fn the_example_in_the_docs_is_a_good_manifest() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/manifest.md");
    let page = std::fs::read_to_string(path)?;
    let (_, rest) = page.split_once("```toml\n").context("no example")?;
    let (example, _) = rest.split_once("```").context("no end of the example")?;
    let manifest = Written::new(example)?;
    let folder = manifest.folder.path();
    std::fs::create_dir(folder.join("vendor"))?;
    for component in ["orders.wasm", "vendor/rates.wasm"] {
        std::fs::copy(guest("echo")?, folder.join(component))?;
    }
    std::fs::write(folder.join("rates.creds"), "")?;
    let mut command = program::command(&["check", &manifest.text_path()]);
    let finished = HostProcess::spawn({
        command.env("SHOP_PASSWORD", "secret");
        command
    })?
    .wait()
    .await?;
    assert!(finished.status.success(), "{:#?}", finished.log);
    let told = finished.stdout.join("\n");
    assert_has(&told, &["orders: ok", "rates: ok"]);
    Ok(())
}

#[tokio::test]
async fn a_manifest_is_learned_from_plugins_that_run() -> Result<()> {
    let server = NatsServer::start().await?;
    let manifest = Written::new(
        "[plugin.echo]\ncomponent = \"{echo}\"\n[plugin.\"of the queue\"]\ncomponent = \"{queue-workers}\"\n",
    )?;
    let args = ["up", &manifest.text_path(), "--server", &server.url(), "--learn"];
    let host = start(&args)?;
    host.wait_until_ready("of the queue").await?;
    assert_eq!(ask(&server.client().await?, "echo", "hello").await?.payload, "hello");
    let finished = host.stop().await?;
    assert_eq!(
        finished.stdout,
        [
            "# echo: --allow-subscribe 'echo'",
            "[plugin.echo.permissions]",
            "subscribe = [\"echo\"]",
            "",
            "# of the queue: --allow-subscribe 'jobs' --allow-queue-group 'crew'",
            "[plugin.\"of the queue\".permissions]",
            "subscribe = [\"jobs\"]",
            "queue-groups = [\"crew\"]",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn native_stack_of_all_guests_is_as_the_manifest_says() -> Result<()> {
    let server = NatsServer::start().await?;
    let manifest = Written::new(&format!(
        "max-stack = \"64KiB\"\n\
         [plugin.it]\ncomponent = {:?}\npermissions.allow-all = true\n",
        guest("recursion")?
    ))?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("it").await?;
    let client = server.client().await?;
    client.publish("attack.in", "".into()).await?;
    let is_event = |line: &LogLine| line.field("limit") == Some(&json!("native-stack-bytes"));
    let event = host.wait_for_log("the event", is_event).await?;
    assert_eq!(event.field("maximum"), Some(&json!(64 << 10)));
    Ok(())
}

#[tokio::test]
async fn refused_publish_on_a_shared_connection_is_told_to_who_made_it() -> Result<()> {
    let config = r#"authorization { users: [
        { user: "both", password: "both", permissions: { publish: { deny: "forbidden" } } },
        { user: "test", password: "test" } ] }"#;
    let server = NatsServer::builder().config(config).start().await?;
    let login = async_nats::ConnectOptions::with_user_and_password("test".into(), "test".into());
    let client = server.client_with(login).await?;
    let manifest = Written::new(
        "[defaults]\n\
         connection = \"main\"\n\
         permissions.allow-all = true\n\
         [connection.main]\n\
         user = \"both\"\n\
         password = \"both\"\n\
         [plugin.echo]\n\
         component = \"{echo}\"\n\
         [plugin.probe]\n\
         component = \"{probe}\"\n",
    )?;
    let host = manifest.up(&server.url())?;
    host.wait_until_ready("echo").await?;
    host.wait_until_ready("probe").await?;
    assert_eq!(ask(&client, "echo", "hello").await?.payload, "hello");
    let probe = Probe::new(client);
    let publish = json!({ "op": "publish", "subject": "forbidden", "payload": "x" });
    probe.obey(publish).await?;
    probe.flush().await?;
    let is_refusal = |line: &LogLine| line.message() == Some("publish refused by the server");
    let line = host.wait_for_log("the refusal", is_refusal).await?;
    assert_eq!(line.field("plugin"), Some(&json!("probe")));
    let log = host.stop().await?.log;
    assert_eq!(log.iter().filter(|line| is_refusal(line)).count(), 1, "{log:#?}");
    Ok(())
}
