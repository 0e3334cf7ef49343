//! A manifest that is read anew: what it says as before goes on untouched.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use test_support::{HostProcess, LogLine, NatsServer, Signal, TempDir, guest};

use crate::harness::connection_id;
use crate::program;
use crate::second::ask;

/// A manifest that can be written anew, and the host that runs it.
struct Scene {
    server: NatsServer,
    host: HostProcess,
    manifest: PathBuf,
    _folder: TempDir,
}

impl Scene {
    fn of(server: NatsServer, text: &str) -> Result<Self> {
        let url = server.url();
        Self::with(server, text, &url)
    }

    /// With another server for those connections of which the manifest says nothing.
    fn with(server: NatsServer, text: &str, by_default: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let manifest = folder.path().join("plugins.toml");
        std::fs::write(&manifest, text)?;
        let path = manifest.to_str().context("path")?;
        let host = program::start(&["up", path, "--server", by_default, "--log-format", "json"])?;
        Ok(Self { server, host, manifest, _folder: folder })
    }

    fn change(&self, text: &str) -> Result<()> {
        std::fs::write(&self.manifest, text)?;
        self.host.signal(Signal::HUP)
    }

    async fn reloaded(&self, plugin: &str) -> Result<()> {
        let what = format!("{plugin} to be reloaded");
        self.host.wait_for_log(&what, |line| is_reload(line, plugin)).await.map(drop)
    }
}

fn is_reload(line: &LogLine, plugin: &str) -> bool {
    line.message() == Some("plugin reloaded") && line.field("plugin") == Some(&json!(plugin))
}

fn plugin(name: &str, component: &std::path::Path, more: &str) -> String {
    format!(
        "[plugin.{name}]\ncomponent = {component:?}\nclient-name = \"{name}\"\n\
         permissions.allow-all = true\n{more}\n"
    )
}

#[tokio::test]
async fn only_what_has_changed_is_reloaded() -> Result<()> {
    let folder = TempDir::new()?;
    let component = folder.path().join("replaced.wasm");
    std::fs::copy(guest("echo")?, &component)?;
    let text = |environment: &str| -> Result<String> {
        Ok([
            plugin("same", &guest("trapper")?, ""),
            plugin("replaced", &component, ""),
            plugin("changed", &guest("counter")?, environment),
        ]
        .concat())
    };
    let scene = Scene::of(NatsServer::start().await?, &text("")?)?;
    for name in ["same", "replaced", "changed"] {
        scene.host.wait_until_ready(name).await?;
    }
    let same = connection_id(&scene.server, "same").await?;
    // In place of the file, as a build puts it there.
    let new = folder.path().join("new.wasm");
    std::fs::copy(guest("spinner")?, &new)?;
    std::fs::rename(&new, &component)?;
    scene.change(&text("environment.COLOUR = \"blue\"")?)?;
    // They are reloaded in the order of the manifest.
    scene.reloaded("replaced").await?;
    scene.reloaded("changed").await?;
    let client = scene.server.client().await?;
    assert_eq!(ask(&client, "spinner.in", "?").await?.payload, "still here");
    // It is the same instance as before, too.
    assert_eq!(ask(&client, "trapper.in", "a").await?.payload, "1 a");
    assert_eq!(connection_id(&scene.server, "same").await?, same);
    let log = scene.host.stop().await?.log;
    ensure!(!log.iter().any(|line| is_reload(line, "same")), "{log:#?}");
    Ok(())
}

#[tokio::test]
async fn another_login_makes_the_connection_anew_and_no_request_fails() -> Result<()> {
    let config = r#"authorization { users: [
        { user: "one", password: "1" }, { user: "two", password: "2" },
        { user: "test", password: "test" } ] }"#;
    let echo = guest("echo")?;
    let manifest = |user: &str, password: &str, shared: bool| {
        let login = format!("user = \"{user}\"\npassword = \"{password}\"\n");
        let allowed = "permissions.allow-all = true\n";
        if shared {
            format!(
                "[connection.main]\nclient-name = \"it\"\n{login}\
                 [plugin.echo]\ncomponent = {echo:?}\nconnection = \"main\"\n{allowed}"
            )
        } else {
            format!(
                "[plugin.echo]\ncomponent = {echo:?}\nclient-name = \"it\"\n{allowed}\
                 [plugin.echo.connection]\n{login}"
            )
        }
    };
    for shared in [false, true] {
        let server = NatsServer::builder().config(config).start().await?;
        let options =
            async_nats::ConnectOptions::with_user_and_password("test".into(), "test".into());
        let client = server.client_with(options).await?;
        let scene = Scene::of(server, &manifest("one", "1", shared))?;
        scene.host.wait_until_ready("echo").await?;
        let before = connection_id(&scene.server, "it").await?;
        let done = Arc::new(AtomicBool::new(false));
        let asking = tokio::spawn({
            let (client, done) = (client.clone(), Arc::clone(&done));
            async move {
                let mut count = 0;
                while !done.load(Ordering::Relaxed) {
                    ask(&client, "echo", "hello").await?;
                    count += 1;
                }
                anyhow::Ok(count)
            }
        });
        scene.change(&manifest("two", "2", shared))?;
        scene.reloaded("echo").await?;
        done.store(true, Ordering::Relaxed);
        ensure!(asking.await?? > 0);
        // The server takes a moment to notice that the old one has hung up.
        let only_new = |page: &Value| {
            let all = page["connections"].as_array()?;
            let mut users = all.iter().filter(|one| one["name"] == "it");
            let (user, more) = (users.next()?, users.next());
            (more.is_none() && user["authorized_user"] == "two").then(|| user["cid"].as_u64())
        };
        let cid = scene.server.wait_for("the new login alone", only_new).await?;
        ensure!(cid > Some(before), "{cid:?}");
        scene.host.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn embedded_server_is_started_once_a_connection_needs_it() -> Result<()> {
    let is_start = |line: &LogLine| line.message() == Some("embedded nats-server");
    let server = NatsServer::start().await?;
    let connection = format!("connection.servers = [\"{}\"]", server.url());
    let elsewhere = plugin("elsewhere", &guest("echo")?, &connection);
    let scene = Scene::with(server, &elsewhere, "embedded")?;
    scene.host.wait_until_ready("elsewhere").await?;
    let here = plugin("here", &guest("counter")?, "");
    // Only what has been written so far is looked at.
    let so_far = scene.host.log().so_far();
    ensure!(!so_far.iter().any(|line| line.contains("embedded nats-server")), "{so_far:#?}");

    scene.change(&[elsewhere, here].concat())?;
    scene.host.wait_for_log("the server", is_start).await?;
    scene.host.wait_until_ready("here").await?;
    // Killed, it would leave its server behind.
    scene.host.stop().await?;
    Ok(())
}
