//! The recipes of this workspace. CI runs the same ones.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

mod checks;
mod child;
mod demo;
mod fuzz;
mod guests;
mod languages;
mod reference;
mod rivals;
mod setup;
mod steps;
mod workspace;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

use crate::{steps::Steps, workspace::Workspace};

const USAGE: &str = "\
Recipes of this workspace

usage: cargo xtask COMMAND

  setup         install the wasm target and find, or fetch, a nats-server
  guests        build the example plugins and the test guests into target/guests
  demo          run plugins against a real server and show what happens
    --stay      leave everything running until Ctrl-C
  test [ARGS]   set up, build the guests, run all tests; ARGS go to `cargo test`
  fmt           format all code
  lint          clippy, warnings are errors
  wit-reference write docs/wit-reference.md anew, from wit/
  doc           the documentation, private items included, warnings are errors
  ci            everything that must pass: fmt --check, lint, doc, the reference,
                deny, counts, test
  bench [--release] [ARGS]
                the benchmarks, of programs as they are distributed if so told,
                which take long to build; ARGS go to them: `scale`, `start`, or
                none for messages; `--help` tells of more
  bench parts [ARGS]
                what a message goes through, each part alone
  counts [--accept]
                count the instructions of the engine under valgrind, where it is
                installed, and compare them with tests/counts/counts.json, or keep
                them there
  soak [faults | misbehaviour] [SECONDS]
                random faults of network and servers, then plugins of which most
                misbehave, each for so long (600 unless told otherwise), and what
                must hold meanwhile; SOAK_SEED repeats the faults of an earlier run
  fuzz [TARGET] [SECONDS]
                fuzz one target, or each, for so long; needs a nightly compiler
                and cargo-fuzz

environment: NATS_SERVER_BIN names the nats-server to use";

/// How many seconds a soak takes.
const DEFAULT_SOAK: &str = "600";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether this is one of the soaks.
fn is_soak(name: &str) -> bool {
    ["faults", "misbehaviour"].contains(&name)
}

fn run(args: &[String]) -> Result<()> {
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", args),
    };
    let workspace = Workspace::find()?;
    let mut steps = Steps::default();
    match (command, rest) {
        ("setup", []) => setup::run(&workspace, &mut steps).map(drop)?,
        ("guests", []) => guests::run(&workspace, &mut steps)?,
        ("demo", []) => demo::run(&workspace, &mut steps, false)?,
        ("demo", [stay]) if stay == "--stay" => demo::run(&workspace, &mut steps, true)?,
        ("test", rest) => checks::test(&workspace, &mut steps, rest)?,
        ("fmt", []) => checks::format(&workspace, &mut steps)?,
        ("lint", []) => checks::lint(&workspace, &mut steps)?,
        ("doc", []) => checks::document(&workspace, &mut steps)?,
        ("wit-reference", []) => reference::write(&workspace, &mut steps)?,
        ("ci", []) => checks::ci(&workspace, &mut steps)?,
        ("counts", rest) => checks::counts(&workspace, &mut steps, rest)?,
        ("bench", rest) => checks::bench(&workspace, &mut steps, rest)?,
        ("soak", []) => checks::soak(&workspace, &mut steps, "", DEFAULT_SOAK)?,
        ("soak", [which]) if is_soak(which) => {
            checks::soak(&workspace, &mut steps, which, DEFAULT_SOAK)?;
        }
        ("soak", [seconds]) => checks::soak(&workspace, &mut steps, "", seconds)?,
        ("soak", [which, seconds]) if is_soak(which) => {
            checks::soak(&workspace, &mut steps, which, seconds)?;
        }
        ("fuzz", rest) => fuzz::run(&workspace, &mut steps, rest)?,
        ("help" | "--help" | "-h", _) => println!("{USAGE}"),
        _ => bail!("unknown command: {}\n\n{USAGE}", args.join(" ")),
    }
    steps.summarize();
    Ok(())
}
