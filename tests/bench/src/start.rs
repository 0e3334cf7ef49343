//! How long a plugin takes from the host's beginning until the server knows what
//! it has subscribed to.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;
use test_support::{NatsServer, Process, guest};
use tokio::process::Command;

use crate::{cpu_clock::CpuClock, fleet::host, report::median};

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

/// Starts each so many times; prints a table.
pub(crate) async fn run(server: &NatsServer, rounds: u32) -> Result<Vec<Row>> {
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
    Ok(rows)
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
