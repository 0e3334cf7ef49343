//! `simple-nats dev`: what is built serves, what can't be built is shown in one
//! screen, and what was built before goes on serving.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use test_support::{HostProcess, LogLine, NatsServer, TempDir, guest};

use crate::harness;
use crate::program::{self, assert_has, message};
use crate::second::ask;

/// Two plugins that answer on `echo`, in two versions of one source.
const ECHO: &str = "cp \"$ECHO\" it.wasm";

/// A project whose build is a script.
struct Project {
    folder: TempDir,
    server: NatsServer,
}

impl Project {
    async fn new(script: &str) -> Result<Self> {
        let project = Self { folder: TempDir::new()?, server: NatsServer::start().await? };
        fs::create_dir(project.path().join("src"))?;
        project.write(script)?;
        project.build_by("sh src/build")?;
        Ok(project)
    }

    /// Writes a manifest with this command.
    fn build_by(&self, command: &str) -> Result<()> {
        let plugin = "[plugin.it]\ncomponent = \"it.wasm\"\nclient-name = \"it\"\n";
        let manifest = format!("{plugin}[dev]\nbuild = '{command}'\n");
        fs::write(self.path().join("plugins.toml"), manifest).context("write the manifest")
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, script: &str) -> Result<()> {
        fs::write(self.path().join("src/build"), script).context("write the script")
    }

    fn dev(&self, args: &[&str]) -> Result<HostProcess> {
        let mut dev = program::command(&[&["dev", "--log-format", "json"], args].concat());
        dev.current_dir(self.path()).env("ECHO", guest("echo")?).env("SUM", guest("sum")?);
        HostProcess::spawn(dev)
    }

    fn dev_here(&self) -> Result<HostProcess> {
        self.dev(&["--server", &self.server.url()])
    }
}

/// What is told of a failed build, after the first `passed` lines of the log.
async fn failure(host: &HostProcess, passed: usize) -> Result<String> {
    message(host.log(), passed, &["build failed"]).await
}

#[tokio::test]
async fn without_a_way_to_build_it_says_what_is_missing() -> Result<()> {
    let folder = TempDir::new()?;
    let manifest = folder.path().join("plugins.toml");
    fs::write(&manifest, "[plugin.it]\ncomponent = \"it.wasm\"\n")?;
    let reason = program::failure(2, &["dev", &manifest.display().to_string()]).await?;
    assert_has(&reason, &["plugins.toml:1:1", "[dev]", "build"]);
    Ok(())
}

#[tokio::test]
async fn a_first_build_that_fails_is_shown_and_the_next_one_serves() -> Result<()> {
    let project = Project::new("echo 'src/it.x:7: no `;`' >&2; exit 3").await?;
    let host = project.dev_here()?;
    let shown = failure(&host, 0).await?;
    assert_has(&shown, &["exit code is 3", "waiting for a change", "src/it.x:7: no `;`"]);
    project.write(ECHO)?;
    host.wait_until_ready("it").await?;
    let client = project.server.client().await?;
    assert_eq!(ask(&client, "echo", "x").await?.payload, "x");
    ensure!(host.stop().await?.status.success());
    Ok(())
}

#[tokio::test]
async fn what_was_built_before_serves_while_a_build_fails() -> Result<()> {
    let project = Project::new(ECHO).await?;
    let host = project.dev_here()?;
    host.wait_until_ready("it").await?;
    let client = project.server.client().await?;
    let connection = harness::connection_id(&project.server, "it").await?;

    let passed = host.log().count();
    project.write("for n in $(seq 1 500); do echo \"error $n\"; done; exit 1")?;
    let shown = failure(&host, passed).await?;
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines.len() <= 23, "one screen: {lines:#?}");
    assert_has(lines[0], &["exit code is 1", "serves on"]);
    assert!(lines.contains(&"error 1") && lines.contains(&"error 500"), "{lines:#?}");
    assert_eq!(ask(&client, "echo", "x").await?.payload, "x");

    project.write("cp \"$SUM\" it.wasm")?;
    host.wait_for_log("the reload", |line| line.message() == Some("plugin reloaded")).await?;
    assert_eq!(ask(&client, "rpc.sum", "1 2").await?.payload, "3");
    assert_eq!(harness::connection_id(&project.server, "it").await?, connection);
    host.stop().await?;
    Ok(())
}

#[tokio::test]
async fn another_way_to_build_is_taken_up() -> Result<()> {
    let project = Project::new("exit 3").await?;
    let host = project.dev_here()?;
    failure(&host, 0).await?;
    project.build_by(ECHO)?;
    host.wait_until_ready("it").await?;

    project.build_by(" ")?;
    let told = |line: &LogLine| line.message() == Some("building as before");
    let told = host.wait_for_log("the mistake", told).await?;
    assert_has(&told.text, &["plugins.toml:5:9", "`build` is a command"]);
    project.build_by("cp \"$SUM\" it.wasm")?;
    host.wait_for_log("the reload", |line| line.message() == Some("plugin reloaded")).await?;
    let client = project.server.client().await?;
    assert_eq!(ask(&client, "rpc.sum", "1 2").await?.payload, "3");
    host.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_build_that_makes_something_else_leaves_the_version_before() -> Result<()> {
    let project = Project::new(ECHO).await?;
    let host = project.dev_here()?;
    host.wait_until_ready("it").await?;
    project.write("echo 'no component' > it.wasm")?;
    host.wait_for_log("the refusal", |line| {
        line.text.contains("reload") && line.text.contains("it.wasm")
    })
    .await?;
    let client = project.server.client().await?;
    assert_eq!(ask(&client, "echo", "x").await?.payload, "x");
    host.stop().await?;
    Ok(())
}

#[tokio::test]
async fn it_brings_a_server_of_its_own_whatever_the_environment_says() -> Result<()> {
    let project = Project::new(ECHO).await?;
    let mut dev = program::command(&["dev"]);
    dev.current_dir(project.path()).env("ECHO", guest("echo")?).env("NATS_URL", "127.0.0.1:1");
    let host = HostProcess::spawn(dev)?;
    host.wait_for_log("the server", |line| line.text.contains("embedded nats-server")).await?;
    host.wait_for_log("the plugin", |line| line.text.contains("plugin ready")).await?;
    let finished = host.stop().await?;
    ensure!(finished.status.success(), "{:#?}", finished.log);
    assert_has(&finished.stdout.join("\n"), &["[plugin.it.permissions]", "\"echo\""]);
    Ok(())
}
