//! One run of one client: time, processor time of its process and of the
//! server's, and the proof that the work was done.

use std::{
    process,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use test_support::{NatsServer, eventually};

use crate::{
    clients::{self, Client},
    cpu_clock::CpuClock,
    load::Load,
    workloads::Workload,
};

/// What one run took. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) messages: u64,
    pub(crate) wall_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) server_cpu_ns: u64,
    /// Of the process that makes the load.
    pub(crate) load_cpu_ns: u64,
    pub(crate) latency: Option<Latency>,
}

/// Times from request to answer, in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
}

/// Measures a client in a fresh process.
pub(crate) async fn measure(
    server: &NatsServer,
    workload: Workload,
    client: Client,
    name: &str,
) -> Result<Sample> {
    let running = client.start(server, name, workload.clients).await?;
    let process = &running.process;
    let sample = run(server, workload, name, process.pid()?).await.with_context(|| {
        format!("{} wrote: {}", client.label(), process.stderr().so_far().join("\n"))
    })?;
    running.end(server).await?;
    Ok(sample)
}

/// Measures clients that run already.
pub(crate) async fn run(
    server: &NatsServer,
    workload: Workload,
    name: &str,
    client: u32,
) -> Result<Sample> {
    let clocks = [client, server.pid()?, process::id()].map(CpuClock::of);
    let [client_clock, server_clock, load_clock] = clocks;
    let (client_clock, server_clock, load_clock) = (client_clock?, server_clock?, load_clock?);
    let mut load = Load::connect(server.address())?;
    tokio::task::block_in_place(|| load.drive(workload.warm_up()))?;

    let (cpu, server_cpu, load_cpu) = (client_clock.now()?, server_clock.now()?, load_clock.now()?);
    let start = Instant::now();
    let latencies = tokio::task::block_in_place(|| load.drive(workload))?;
    let wall = start.elapsed();
    let load_cpu = load_clock.now()? - load_cpu;
    let (cpu, server_cpu) = (client_clock.now()? - cpu, server_clock.now()? - server_cpu);

    check_published(server, name, load.published()).await?;
    Ok(Sample {
        messages: workload.messages,
        wall_ns: nanoseconds(wall),
        cpu_ns: nanoseconds(cpu),
        server_cpu_ns: nanoseconds(server_cpu),
        load_cpu_ns: nanoseconds(load_cpu),
        latency: Latency::of(latencies),
    })
}

/// Fails unless the server has had exactly so many messages from the clients.
async fn check_published(server: &NatsServer, name: &str, expected: u64) -> Result<()> {
    // The server counts what one read brought only after it has passed that on.
    let published = eventually(&format!("{expected} messages from {name}"), async || {
        let all = clients::connections(server, name).await?;
        let messages = |one: &Value| one.get("in_msgs").and_then(Value::as_u64);
        let published: u64 = all.iter().filter_map(messages).sum();
        Ok((published >= expected).then_some(published))
    })
    .await?;
    ensure!(published == expected, "{published} messages published, not {expected}");
    Ok(())
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let at = |percent| times.get(times.len() * percent / 100).copied().map(nanoseconds);
        Some(Self { p50_ns: at(50)?, p99_ns: at(99)? })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
