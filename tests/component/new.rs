//! What `simple-nats new` makes: its test passes, and `simple-nats dev` builds it,
//! runs it, and runs what becomes of it. Where a language's tools are missing, its
//! test says so.

#![allow(clippy::indexing_slicing, reason = "a test that panics has failed")]

mod harness;
mod program;
mod second;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::BINARY;
use program::{assert_has, message};
use second::{ask, service_error};
use test_support::{HostProcess, NatsServer, TempDir, guest, nats_server_binary, within_time};
use tokio::process::Command;

/// A build by somebody else's tools, on a machine with other things to do.
const ONE_BUILD: Duration = Duration::from_secs(600);

/// More than that scrolls the beginning out of a terminal.
const ONE_SCREEN: usize = 24;

/// A project that `new` has made, and what its tools need of the environment.
struct Project {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    parent: TempDir,
}

impl Project {
    /// Makes `greeter`.
    async fn new(args: &[&str]) -> Result<Self> {
        let parent = TempDir::new()?;
        let mut new = program::command(&[&["new", "greeter"], args].concat());
        new.current_dir(parent.path());
        let finished = HostProcess::spawn(new)?.wait().await?;
        ensure!(finished.status.success(), "{:#?}", finished.log);
        assert_has(&finished.stdout.join("\n"), &["greeter/README.md", "simple-nats dev"]);
        let folder = parent.path().join("greeter");
        Ok(Self { folder, environment: Vec::new(), parent })
    }

    fn set(&mut self, name: &'static str, value: impl AsRef<OsStr>) -> Result<()> {
        let value = value.as_ref().to_str().context("no text")?.to_owned();
        self.environment.push((name, value));
        Ok(())
    }

    fn command(&self, mut command: Command) -> Command {
        // A project has a target folder of its own, wherever ours is.
        command.env_remove("CARGO_TARGET_DIR").current_dir(&self.folder);
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs one of its own commands, which must succeed; answers what it printed.
    async fn run(&self, line: &str) -> Result<String> {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().context("no program")?);
        command.args(words).kill_on_drop(true);
        let output = within_time(ONE_BUILD, line, self.command(command).output()).await??;
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        ensure!(output.status.success(), "{line}: {}\n{text}", output.status);
        Ok(text)
    }

    /// Builds and serves it. In this file of it, the first text makes no sense
    /// without its first character.
    async fn develops(&self, file: &str, essential: &str) -> Result<()> {
        let server = NatsServer::start().await?;
        let args = ["dev", "--server", &server.url(), "--log-format", "json"];
        let host = HostProcess::spawn(self.command(program::command(&args)))?;
        wait_for(&host, "plugin ready").await?;

        let client = server.client().await?;
        let mut greeted = second::listen(&client, "greeter.greeted").await?;
        assert_eq!(ask(&client, "greeter.greet", " Ada").await?.payload, "hello Ada");
        assert_eq!(harness::next_text(&mut greeted).await?, "hello Ada");
        let refused = ask(&client, "greeter.greet", " ").await?;
        let (reason, _) = service_error(&refused).context("no error")?;
        assert!(reason.contains("nobody to greet"), "{reason}");

        let file = self.folder.join(file);
        let text = fs::read_to_string(&file)?;
        let (before, after) = text.split_once(essential).context("it is not there")?;
        fs::write(&file, [before, &essential[1..], after].concat())?;
        let shown = message(&host.log().patient(ONE_BUILD), 0, &["build failed"]).await?;
        let name = file.file_name().and_then(OsStr::to_str).context("no name")?;
        let line = before.lines().count().to_string();
        let tells = |shown: &str| shown.contains(name) && shown.contains(&line);
        assert!(shown.lines().any(tells), "no line {line} of {name} in {shown}");
        assert!(shown.lines().count() <= ONE_SCREEN, "{shown}");
        assert_eq!(ask(&client, "greeter.greet", "Ada").await?.payload, "hello Ada");

        fs::write(&file, text.replace("hello ", "good morning "))?;
        message(&host.log().patient(ONE_BUILD), 0, &["plugin reloaded"]).await?;
        assert_eq!(ask(&client, "greeter.greet", "Ada").await?.payload, "good morning Ada");

        // All that it did is what its manifest allows.
        let finished = host.stop().await?;
        ensure!(finished.status.success(), "{:#?}", finished.log);
        let learned = finished.stdout.join("\n");
        assert_has(&learned, &["\"greeter.greet\"", "\"greeters\"", "\"greeter.greeted\""]);
        Ok(())
    }
}

/// Waits until the host says so.
async fn wait_for(host: &HostProcess, what: &str) -> Result<()> {
    let said = message(&host.log().patient(ONE_BUILD), 0, &[what, "build failed"]).await?;
    ensure!(said.starts_with(what), "{said}");
    Ok(())
}

/// What `cargo xtask` leaves.
fn target() -> Result<PathBuf> {
    let echo = guest("echo")?;
    echo.ancestors().nth(2).context("no target folder").map(Path::to_owned)
}

/// The folder that `cargo xtask guests` has put a language's tools into, if it could.
#[expect(clippy::print_stdout, reason = "who reads the results is to know")]
fn tools(language: &str) -> Result<Option<PathBuf>> {
    let tools = target()?.join("tools").join(language);
    if tools.with_extension("lock").is_file() {
        return Ok(Some(tools));
    }
    println!("skipped: no tools of {language}");
    Ok(None)
}

#[tokio::test]
async fn names_that_are_none_and_folders_in_use_are_refused() -> Result<()> {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("taken"))?;
    fs::write(folder.path().join("taken/work"), "of years")?;
    fs::write(folder.path().join("file"), "")?;
    let new = async |args: &[&str]| -> Result<String> {
        let mut new = program::command(&[&["new"], args].concat());
        new.current_dir(folder.path());
        let finished = HostProcess::spawn(new)?.wait().await?;
        assert_eq!(finished.status.code(), Some(2), "{args:?}: {:#?}", finished.log);
        let lines: Vec<_> = finished.log.iter().map(|line| line.text.as_str()).collect();
        Ok(lines.join("\n"))
    };
    for (name, reason) in [
        ("../up", "small letters"),
        ("Greeter", "small letters"),
        ("fn", "means something else"),
        ("taken", "something in taken already"),
        ("file", "something in file already"),
    ] {
        assert_has(&new(&[name]).await?, &[reason]);
    }
    assert_has(&new(&["a", "--language", "c", "--sdk", "."]).await?, &["--sdk is for Rust"]);
    assert_has(&new(&["a", "--sdk", "nowhere"]).await?, &["--sdk nowhere"]);
    assert_has(&new(&["a", "--sdk", "taken"]).await?, &["has no Cargo.toml"]);
    assert_eq!(fs::read_dir(folder.path())?.count(), 2, "nothing was made");
    assert_eq!(fs::read_to_string(folder.path().join("taken/work"))?, "of years");
    Ok(())
}

#[tokio::test]
async fn an_empty_folder_is_taken_and_the_library_is_that_of_this_version() -> Result<()> {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("empty"))?;
    let mut new = program::command(&["new", "empty"]);
    new.current_dir(folder.path());
    let finished = HostProcess::spawn(new)?.wait().await?;
    ensure!(finished.status.success(), "{:#?}", finished.log);
    let manifest = fs::read_to_string(folder.path().join("empty/Cargo.toml"))?;
    let version = env!("CARGO_PKG_VERSION");
    assert_has(&manifest, &["name = \"empty\"", &format!("simple-nats-guest = \"{version}\"")]);
    Ok(())
}

#[tokio::test]
async fn a_project_in_rust_passes_its_test_and_develops() -> Result<()> {
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-client");
    let mut project = Project::new(&["--sdk", sdk]).await?;
    // What was built for the project of an earlier run is built.
    project.set("CARGO_BUILD_BUILD_DIR", target()?.join("new"))?;
    project.set("CARGO_NET_OFFLINE", "true")?;
    project.set("SIMPLE_NATS", BINARY)?;
    project.set("NATS_SERVER_BIN", nats_server_binary())?;
    assert_has(&project.run("cargo test").await?, &["2 passed", "whoever_asks_is_greeted ... ok"]);
    project.develops("src/lib.rs", "name.trim()").await
}

#[tokio::test]
async fn a_project_in_javascript_passes_its_test_and_develops() -> Result<()> {
    let Some(tools) = tools("javascript")? else { return Ok(()) };
    let project = Project::new(&["--language", "javascript"]).await?;
    // What `npm ci` would fetch.
    std::os::unix::fs::symlink(tools.join("node_modules"), project.folder.join("node_modules"))?;
    assert_has(&project.run("npm test").await?, &["pass 2", "fail 0"]);
    project.develops("src/greeting.js", "`hello").await
}

#[tokio::test]
async fn a_project_in_python_passes_its_test_and_develops() -> Result<()> {
    let Some(tools) = tools("python")? else { return Ok(()) };
    let mut project = Project::new(&["--language", "python"]).await?;
    assert_has(&project.run("python3 -m unittest discover src").await?, &["Ran 2 tests", "OK"]);
    // What pip would install, except that its launcher names the Python it was
    // installed with.
    let launcher = "python3 -c 'import sys, componentize_py; sys.exit(componentize_py.script())'";
    let programs = project.programs([("componentize-py", format!("exec {launcher} \"$@\""))])?;
    project.set("PATH", programs)?;
    project.set("PYTHONPATH", &tools)?;

    let bindings = project.folder.join("build/bindings");
    fs::create_dir_all(&bindings)?;
    let generate = "componentize-py --quiet --wit-path wit --world batch-plugin bindings";
    project.run(&format!("{generate} build/bindings")).await?;
    project.set("PYTHONPATH", std::env::join_paths([bindings, project.folder.join("src")])?)?;
    fs::write(project.folder.join("messages.py"), include_str!("python_messages.py"))?;
    assert_has(&project.run("python3 messages.py").await?, &["Ran 8 tests", "OK"]);

    project.set("PYTHONPATH", tools)?;
    project.develops("src/greeting.py", "(name: str)").await
}

#[tokio::test]
async fn a_project_in_c_passes_its_test_and_develops() -> Result<()> {
    let Some(tools) = tools("zig")? else { return Ok(()) };
    let mut project = Project::new(&["--language", "c"]).await?;
    assert_has(&project.run("make test").await?, &["ok"]);
    // In place of the tools that its README names, others that do the same.
    let wit_tools = target()?.join("recipe/wit-tools").display().to_string();
    let cc = format!(
        "python3 -m ziglang cc -target wasm32-wasi -Wl,--strip-debug \"$@\" || exit\n\
         for last; do :; done\n\
         exec {wit_tools} wit component \"$last\" \"$last\""
    );
    let programs = project.programs([
        ("wasm-cc", cc),
        ("wit-bindgen", format!("exec {wit_tools} wit bindings c build")),
    ])?;
    project.set("PATH", programs)?;
    project.set("WASM_CC", "wasm-cc")?;
    let cache = tools.with_file_name("zig-cache");
    project.set("ZIG_GLOBAL_CACHE_DIR", &cache)?;
    project.set("ZIG_LOCAL_CACHE_DIR", &cache)?;
    project.set("PYTHONPATH", tools)?;
    project.develops("src/greeting.c", "(const char *name").await
}

impl Project {
    /// A search path that begins with programs of these names and contents.
    fn programs<const N: usize>(&self, programs: [(&str, String); N]) -> Result<String> {
        let folder = self.parent.path().join("programs");
        fs::create_dir(&folder)?;
        for (name, script) in programs {
            let file = folder.join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n"))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        let path = std::env::var("PATH")?;
        Ok(format!("{}:{path}", folder.display()))
    }
}
