//! Counts the instructions of each piece of work under valgrind, and compares them
//! with the table that is kept.
//!
//! Each piece is done so many times, and twice as many times in another run: the
//! difference is the work alone. Counts of one build are the same on each run and,
//! since valgrind shows every program the same processor, on each machine.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};
use counts::work::{self, Work};

/// Another compiler makes other code of the same source: so much is no news.
const TOLERANCE: f64 = 0.02;

/// Steps of the shorter run.
const STEPS: u64 = 20;

/// Instructions of an operation, by what it is.
type Table = BTreeMap<String, f64>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => compare(false),
        ["--accept"] => compare(true),
        ["repeat", name, steps] => repeat(name, steps),
        _ => Err(anyhow::anyhow!("usage: cargo xtask counts [--accept]")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is counted.
fn repeat(name: &str, steps: &str) -> Result<()> {
    let mut all = work::all()?;
    let work = all.iter_mut().find(|work| work.name == name);
    let work = work.with_context(|| format!("there is no work {name:?}"))?;
    for _ in 0..steps.parse::<u64>().with_context(|| format!("{steps:?} is no number"))? {
        work.step()?;
    }
    Ok(())
}

fn compare(accept: bool) -> Result<()> {
    let kept = read()?;
    let (mut counted, mut changed) = (Table::new(), Vec::new());
    println!("{:<46} {:>12} {:>9} {:>8}", "", "instructions", "kept", "change");
    for work in work::all()? {
        let instructions = count(&work)?;
        let kept = kept.get(work.name).copied();
        let change = kept.map(|kept| instructions / kept - 1.0);
        let number = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        println!(
            "{:<46} {instructions:>12.1} {:>9} {:>8}",
            work.name,
            number(kept.map(|kept| format!("{kept:.1}"))),
            number(change.map(|change| format!("{:+.1} %", change * 100.0))),
        );
        if change.is_none_or(|change| change.abs() > TOLERANCE) {
            changed.push(work.name);
        }
        // No more digits than are told.
        counted.insert(work.name.to_owned(), (instructions * 10.0).round() / 10.0);
    }
    changed.extend(kept.keys().filter(|name| !counted.contains_key(*name)).map(String::as_str));
    if accept {
        return write(&counted);
    }
    ensure!(
        changed.is_empty(),
        "more than {:.0} % away from {}: {}; if that is meant, `cargo xtask counts --accept` \
         keeps the new figures",
        TOLERANCE * 100.0,
        file()?.display(),
        changed.join("; ")
    );
    Ok(())
}

/// Instructions of one operation.
fn count(work: &Work) -> Result<f64> {
    let (once, twice) = (instructions(work.name, STEPS)?, instructions(work.name, 2 * STEPS)?);
    let more = twice.checked_sub(once).context("twice the work takes fewer instructions")?;
    Ok(more as f64 / (STEPS * work.operations as u64) as f64)
}

fn instructions(name: &str, steps: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().context("find this program")?)
        .args(["repeat", name, &steps.to_string()])
        // What else is in it moves the stack.
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .output()
        .context("start valgrind, which must be installed")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} under valgrind: {}: {text}", output.status);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(number) => Ok(number),
        None => bail!("valgrind tells no count: {text}"),
    }
}

/// The table that is kept. Where that is, cargo tells when it runs this: known to the
/// compiler, it would make another program, with other counts, in each folder.
fn file() -> Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").context("to be run by cargo")?;
    Ok(Path::new(&package).join("counts.json"))
}

fn read() -> Result<Table> {
    let file = file()?;
    if !file.exists() {
        return Ok(Table::new());
    }
    let text = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("read {}", file.display()))
}

fn write(table: &Table) -> Result<()> {
    let file = file()?;
    let text = serde_json::to_string_pretty(table)? + "\n";
    fs::write(&file, text).with_context(|| format!("write {}", file.display()))
}
