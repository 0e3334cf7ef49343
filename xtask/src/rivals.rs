//! Builds the benchmarks' rivals in other languages, where their compilers and
//! libraries are installed.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    steps::{Steps, run as run_to_end},
    workspace::Workspace,
};

/// Where Debian's packages put libraries in Go.
const GO_LIBRARIES: &str = "/usr/share/gocode";

/// Why one is not to be had here.
type Skipped = String;

type Builder = fn(&Workspace, &Path) -> Result<Result<(), Skipped>>;

/// Leaves those that can be built in `TARGET/rivals`, and no others.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.step("rivals", || {
        let folder = workspace.target.join("rivals");
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let builders: [(&str, Builder); 2] = [("nats-c", nats_c), ("nats-go", nats_go)];
        for (name, build) in builders {
            let binary = folder.join(name);
            if binary.exists() {
                fs::remove_file(&binary).with_context(|| format!("remove {}", binary.display()))?;
            }
            if let Err(reason) = build(workspace, &binary)? {
                println!("{name}: skipped, {reason}");
            }
        }
        Ok(())
    })
}

fn nats_c(workspace: &Workspace, binary: &Path) -> Result<Result<(), Skipped>> {
    let mut probe = workspace.command("cc");
    probe.args(["-fsyntax-only", "-include", "nats/nats.h", "-x", "c", "/dev/null"]);
    if !works(&mut probe) {
        return Ok(Err("no cc that finds nats/nats.h (Debian: libnats-dev)".to_owned()));
    }
    let mut build = workspace.command("cc");
    build
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args(["tests/bench/rivals/nats_c.c", "-lnats", "-o"])
        .arg(binary);
    run_to_end(&mut build).map(Ok)
}

fn nats_go(workspace: &Workspace, binary: &Path) -> Result<Result<(), Skipped>> {
    let library = Path::new(GO_LIBRARIES).join("src/github.com/nats-io/nats.go");
    if !library.is_dir() {
        let name = library.display();
        return Ok(Err(format!("no {name} (Debian: golang-github-nats-io-go-nats-dev)")));
    }
    // The compiler that guests in Go are built with, or else an installed one.
    let fetched = workspace.tools().join("go/go");
    let program = if fetched.is_dir() { fetched.join("bin/go") } else { "go".into() };
    let go = |arguments: &[&str]| {
        let mut go = workspace.command(&program);
        go.args(arguments)
            .env("GOCACHE", workspace.tools().join("go-cache"))
            .env("GOTOOLCHAIN", "local")
            .env("GO111MODULE", "off")
            .env("GOPATH", GO_LIBRARIES);
        if fetched.is_dir() {
            go.env("GOROOT", &fetched);
        }
        go
    };
    if !works(&mut go(&["version"])) {
        return Ok(Err(format!("no compiler {}", program.display())));
    }
    let mut build = go(&["build", "-o"]);
    build.arg(binary).arg("tests/bench/rivals/nats_go.go");
    run_to_end(&mut build).map(Ok)
}

fn works(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
