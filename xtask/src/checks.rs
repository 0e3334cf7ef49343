//! What must hold before a change goes in, and the benchmarks.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::{guests, reference, rivals, setup, steps::Steps, workspace::Workspace};

/// Every check, in the order of what fails fastest.
pub(crate) fn ci(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run("format", workspace.cargo("fmt").args(["--all", "--check"]))?;
    lint(workspace, steps)?;
    document(workspace, steps)?;
    reference::check(workspace, steps)?;
    deny(workspace, steps)?;
    counts(workspace, steps, &[])?;
    test(workspace, steps, &[])
}

/// Formats all code.
pub(crate) fn format(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run("format", workspace.cargo("fmt").arg("--all"))
}

/// Clippy over everything, guests included.
pub(crate) fn lint(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    steps.run("lint", &mut clippy)
}

/// The documentation of everything in the workspace.
pub(crate) fn document(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    let mut doc = workspace.cargo("doc");
    doc.args(["--locked", "--workspace", "--no-deps", "--document-private-items"])
        .env("RUSTDOCFLAGS", "-D warnings");
    steps.run("documentation", &mut doc)
}

/// Whether this program is there.
fn is_installed(program: &str) -> bool {
    let mut probe = Command::new(program);
    probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Licences, advisories and duplicates, where cargo-deny is installed.
fn deny(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    if is_installed("cargo-deny") {
        steps.run("dependencies", workspace.cargo("deny").arg("check"))
    } else {
        println!("── dependencies: skipped, cargo-deny is not installed");
        Ok(())
    }
}

/// All tests, with everything they need; guests are tested as components, by the
/// tests of the host.
pub(crate) fn test(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    let server = setup::run(workspace, steps)?;
    guests::run(workspace, steps)?;
    let mut test = workspace.cargo("test");
    test.arg("--locked")
        .env("NATS_SERVER_BIN", server)
        .env("SIMPLE_NATS_GUESTS", workspace.guests());
    steps.run("test", test.args(args))
}

/// The soaks whose names contain `which`, for longer than the tests have time for.
pub(crate) fn soak(
    workspace: &Workspace,
    steps: &mut Steps,
    which: &str,
    seconds: &str,
) -> Result<()> {
    let server = setup::run(workspace, steps)?;
    guests::run(workspace, steps)?;
    let mut soak = workspace.cargo("test");
    soak.args(["--locked", "--test", "soak", which, "--", "--nocapture"])
        .env("SOAK_SECONDS", seconds)
        .env("NATS_SERVER_BIN", server)
        .env("SIMPLE_NATS_GUESTS", workspace.guests());
    steps.run("soak", &mut soak)
}

/// The instructions that the engine takes, beside those that are kept, where valgrind is
/// installed.
pub(crate) fn counts(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    if !is_installed("valgrind") {
        println!("── instructions: skipped, valgrind is not installed");
        return Ok(());
    }
    let mut counts = workspace.cargo("run");
    counts.args(["--locked", "--quiet", "--profile", "counts", "--package", "counts", "--"]);
    steps.run("instructions", counts.args(args))
}

/// The benchmarks of parts, each alone.
fn parts(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    let server = setup::run(workspace, steps)?;
    guests::run(workspace, steps)?;
    let mut parts = workspace.cargo("bench");
    parts
        // The profile that everything else is built with, and has been.
        .args(["--locked", "--profile", "dev", "--bench", "parts", "--"])
        .args(args)
        .env("NATS_SERVER_BIN", server)
        .env("SIMPLE_NATS_GUESTS", workspace.guests());
    steps.run("benchmarks of parts", &mut parts)
}

/// The benchmarks.
pub(crate) fn bench(workspace: &Workspace, steps: &mut Steps, args: &[String]) -> Result<()> {
    if let Some((first, rest)) = args.split_first()
        && first == "parts"
    {
        return parts(workspace, steps, rest);
    }
    let server = setup::run(workspace, steps)?;
    guests::run(workspace, steps)?;
    rivals::run(workspace, steps)?;
    let is_release = args.first().is_some_and(|first| first == "--release");
    let (profile, args) = args.split_at(usize::from(is_release));
    let mut host = workspace.cargo("build");
    steps.run("host", host.args(["--locked", "--bin", "simple-nats"]).args(profile))?;
    let mut bench = workspace.cargo("run");
    bench
        .args(["--locked", "--bin", "bench"])
        .args(profile)
        .arg("--")
        .args(args)
        .env("NATS_SERVER_BIN", server)
        .env("SIMPLE_NATS_GUESTS", workspace.guests());
    steps.run("benchmarks", &mut bench)
}
