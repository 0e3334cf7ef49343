//! How long a plugin takes from the host's beginning until the server knows what
//! it has subscribed to.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;
use test_support::{NatsServer, Process, guest};
use tokio::process::Command;

use crate::{cpu_clock::CpuClock, fleet::host, report::median};

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Starts {
    rows: Vec<Row>,
    instantiating: Instantiating,
}

/// Instantiating a component once more in a process, in microseconds: medians.
#[derive(Debug, Serialize)]
struct Instantiating {
    /// By a host with one thread, one after the other.
    in_turn_us: f64,
    /// By a host that starts them all at once, on a thread for each processor.
    at_once_us: f64,
    /// By wasmtime alone, one after the other.
    wasmtime_us: f64,
}

/// One way to start: medians of the rounds, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    plugin: &'static str,
    start_ms: f64,
    /// Processor time of the host, which other work on the machine does not change.
    cpu_ms: f64,
}

/// Who is started, and with what beside.
const WAYS: [(&str, &str, &[&str]); 4] = [
    ("Rust, compiled before", "bench", &[]),
    ("Rust, compiled for it", "bench", &["--no-compile-cache"]),
    ("Python, compiled before", "rpc-worker-python", &[]),
    ("JavaScript, compiled before", "rpc-worker-javascript", &[]),
];

/// Instances of one plugin, of which the first has to touch everything for the first
/// time.
const INSTANCES: usize = 32;

/// Starts each so many times; prints a table.
pub(crate) async fn run(server: &NatsServer, rounds: u32) -> Result<Starts> {
    println!("{:<28} {:>9} {:>9}", "", "start ms", "CPU ms");
    let mut rows = Vec::new();
    for (plugin, component, arguments) in WAYS {
        if let Err(missing) = guest(component) {
            println!("{plugin:<28} skipped, {missing}");
            continue;
        }
        // What is compiled for the first time is kept.
        start(server, component, arguments).await?;
        let mut samples = Vec::new();
        for _ in 0..rounds {
            samples.push(start(server, component, arguments).await?);
        }
        let row = Row {
            plugin,
            start_ms: median(&samples, |(start, _)| *start),
            cpu_ms: median(&samples, |(_, cpu)| *cpu),
        };
        println!("{plugin:<28} {:>9.1} {:>9.1}", row.start_ms, row.cpu_ms);
        rows.push(row);
    }
    let instantiating = instantiating(server, rounds).await?;
    let Instantiating { in_turn_us, at_once_us, wasmtime_us } = instantiating;
    println!("instantiating once more, µs: {in_turn_us:.1} in turn, {at_once_us:.1} at once;");
    println!("wasmtime alone {wasmtime_us:.1} ({:.2} of that in turn)", wasmtime_us / in_turn_us);
    Ok(Starts { rows, instantiating })
}

/// Lets hosts and wasmtime alone instantiate, one after the other.
async fn instantiating(server: &NatsServer, rounds: u32) -> Result<Instantiating> {
    let (mut in_turn, mut at_once, mut wasmtime) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        in_turn.extend(by_host(server, &["--threads", "1"]).await?.into_iter().skip(1));
        at_once.extend(by_host(server, &[]).await?.into_iter().skip(1));
        wasmtime.extend(by_wasmtime().await?.into_iter().skip(1));
    }
    let median = |samples: &[f64]| median(samples, |micros| *micros);
    Ok(Instantiating {
        in_turn_us: median(&in_turn),
        at_once_us: median(&at_once),
        wasmtime_us: median(&wasmtime),
    })
}

/// What each instance took in a host.
async fn by_host(server: &NatsServer, arguments: &[&str]) -> Result<Vec<f64>> {
    let mut command = Command::new(host()?);
    command.arg("run").arg(guest("bench")?).args(["--server", &server.url(), "--allow-all"]);
    command.args(["--instances", &INSTANCES.to_string()]).args(arguments);
    command.args(["--log-format", "json", "--log-filter", "info,simple_nats=debug"]);
    let mut process = Process::spawn(command)?;
    let mut samples = Vec::new();
    let enough = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        samples.extend(line.get("micros").and_then(Value::as_f64));
        (samples.len() == INSTANCES).then_some(())
    };
    process.stderr().wait_for("all instances", enough).await?;
    process.kill().await?;
    Ok(samples)
}

/// What each took in a process of wasmtime alone.
async fn by_wasmtime() -> Result<Vec<f64>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("bare").arg(guest("bench")?).arg(INSTANCES.to_string());
    let output = command.stderr(Stdio::inherit()).output().await?;
    ensure!(output.status.success(), "wasmtime alone: {}", output.status);
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().map(str::parse).collect::<Result<_, _>>()?)
}

/// Time and processor time, in milliseconds.
async fn start(server: &NatsServer, component: &str, arguments: &[&str]) -> Result<(f64, f64)> {
    let mut command = Command::new(host()?);
    command.arg("run").arg(guest(component)?).args(["--server", &server.url(), "--allow-all"]);
    command.args(arguments);
    let begin = Instant::now();
    let mut process = Process::spawn(command)?;
    let ready = |line: &str| line.contains("plugin ready").then_some(());
    process.stderr().wait_for("the plugin to be ready", ready).await?;
    let start = begin.elapsed();
    let cpu = CpuClock::of(process.pid()?)?.now()?;
    process.kill().await?;
    Ok((start.as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3))
}
