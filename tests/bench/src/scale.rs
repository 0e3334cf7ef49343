//! What many plugins, and many subscriptions, cost in one host.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use test_support::{NatsServer, Usage, eventually};

use crate::{
    clients,
    cpu_clock::CpuClock,
    fleet::{Fleet, Sailing},
    measure,
    plot::{self, Line, Panel},
    report::median,
    rivals::SUBJECTS,
    workloads::{RECEIVE, Workload, among, workload},
};

/// How many plugins, one of which is active or all of which are.
const PLUGINS: [usize; 4] = [1, 10, 100, 1_000];

/// Subscriptions of each of a hundred plugins, beside those of the load.
const SUBSCRIPTIONS: [usize; 2] = [95, 995];

/// Bytes of each message to one plugin alone.
const PAYLOADS: [usize; 5] = [16, 128, 1_024, 16_384, 131_072];

/// So long after it was made, a connection has been asked by the server for the first
/// time whether it lives: that is no cost of messages.
const SETTLED: Duration = Duration::from_secs(3);

/// How long a host is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(2);

/// Messages to one plugin, and to all together.
const MESSAGES: u64 = 200_000;

/// The most bytes of payload in one run.
const PAYLOAD_BYTES: u64 = 400 << 20;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Scale {
    fleets: Vec<Row>,
    payloads: Vec<PayloadRow>,
}

/// Messages of one size.
#[derive(Debug, Serialize)]
pub(crate) struct PayloadRow {
    payload_bytes: usize,
    /// Processor time of a message.
    cpu_ns: f64,
}

/// One size of fleet: medians of the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    plugins: usize,
    subscriptions: usize,
    start_ms: f64,
    start_cpu_ms: f64,
    /// Of the host; pages that plugins share count once.
    memory_bytes: f64,
    memory_bytes_of_each_further: f64,
    /// Processor time in a second without any message.
    idle_cpu_us_per_second: f64,
    /// Processor time of a message to one plugin, while all others have none.
    one_active_ns: f64,
    /// Processor time of a message to each plugin.
    all_active_ns: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    start_ns: u64,
    start_cpu_ns: u64,
    memory_bytes: u64,
    idle_cpu_ns: u64,
    one_active_ns: f64,
    all_active_ns: f64,
}

const HEAD: &str = concat!(
    "                        start  start CPU     memory  idle CPU   CPU ns/message to\n",
    "plugins subscriptions      ms  µs/plugin  KiB/plugin     µs/s      one       each",
);

/// Measures every size in turn, so many times; prints a table.
pub(crate) async fn run(server: &NatsServer, rounds: u32) -> Result<Scale> {
    let many = PLUGINS.map(|plugins| Fleet { active: plugins, ..Fleet::default() });
    let wide = SUBSCRIPTIONS.map(|further_subscriptions| Fleet {
        active: 100,
        further_subscriptions,
        ..Fleet::default()
    });
    let fleets: Vec<_> = many.into_iter().chain(wide).collect();
    let mut samples = vec![Vec::new(); fleets.len()];
    let mut by_payload = PAYLOADS.map(|payload| (payload, Vec::new()));
    for round in 0..rounds {
        for (payload, samples) in &mut by_payload {
            let name = format!("payload-{round}-{payload}");
            samples.push(payload_cost(server, *payload, &name).await?);
        }
        for (number, (fleet, samples)) in fleets.iter().zip(&mut samples).enumerate() {
            samples.push(sample(server, *fleet, &format!("scale-{round}-{number}")).await?);
        }
    }
    println!("{HEAD}");
    let mut rows: Vec<_> =
        fleets.iter().zip(&samples).map(|(fleet, samples)| Row::of(*fleet, samples)).collect();
    let alone = rows.first().map_or(0.0, |row| row.memory_bytes);
    for row in &mut rows {
        row.memory_bytes_of_each_further = row.further(alone);
        row.print();
    }
    println!("\n{:>13} {:>15}", "payload bytes", "CPU ns/message");
    let payloads = by_payload.map(|(payload_bytes, samples)| {
        let cpu_ns = median(&samples, |ns| *ns);
        println!("{payload_bytes:>13} {cpu_ns:>15.0}");
        PayloadRow { payload_bytes, cpu_ns }
    });
    Ok(Scale { fleets: rows, payloads: payloads.into() })
}

impl Scale {
    /// How costs grow with plugins, subscriptions and payload.
    pub(crate) fn plot(&self) -> String {
        let fleets = |is_one: fn(&Row) -> bool, across: fn(&Row) -> usize, up: fn(&Row) -> f64| {
            let rows = self.fleets.iter().filter(|row| is_one(row));
            rows.map(|row| (across(row) as f64, up(row))).collect::<Vec<_>>()
        };
        let plugins = |up| fleets(|row| row.is_plain(), |row| row.plugins, up);
        let subscriptions = |up| fleets(|row| row.plugins == 100, |row| row.subscriptions, up);
        let line = |label, points| Line { label, points };
        let payloads = self.payloads.iter().map(|row| (row.payload_bytes as f64, row.cpu_ns));
        let panel = |title, of, lines| Panel { title, of, lines };
        plot::lines(
            "What many plugins, many subscriptions and large messages cost",
            &[
                panel(
                    "Start of all",
                    "plugins",
                    vec![
                        line("ms", plugins(|row| row.start_ms)),
                        line("ms of processor time", plugins(|row| row.start_cpu_ms)),
                    ],
                ),
                panel(
                    "Memory",
                    "plugins",
                    vec![line("MiB of the host", plugins(|row| row.memory_bytes / MIB))],
                ),
                panel(
                    "Processor time of a message",
                    "plugins",
                    vec![
                        line(
                            "ns, to one while the others are idle",
                            plugins(|row| row.one_active_ns),
                        ),
                        line("ns, to each plugin", plugins(|row| row.all_active_ns)),
                    ],
                ),
                panel(
                    "Processor time of a message",
                    "subscriptions of 100 plugins",
                    vec![
                        line("ns, to one", subscriptions(|row| row.one_active_ns)),
                        line("ns, to each plugin", subscriptions(|row| row.all_active_ns)),
                    ],
                ),
                panel(
                    "Memory",
                    "subscriptions of 100 plugins",
                    vec![line("MiB of the host", subscriptions(|row| row.memory_bytes / MIB))],
                ),
                panel(
                    "Processor time of a message",
                    "bytes of payload, one plugin",
                    vec![line("ns", payloads.collect())],
                ),
            ],
        )
    }
}

/// Processor time of a message of this size, in nanoseconds.
async fn payload_cost(server: &NatsServer, payload: usize, name: &str) -> Result<f64> {
    let host = Fleet { active: 1, ..Fleet::default() }.start(server, name).await?;
    let messages = MESSAGES.min(PAYLOAD_BYTES / payload as u64);
    let workload = workload("receive", RECEIVE, payload, messages);
    let cost = cost(server, workload, name, host.process.pid()?).await?;
    end(host, server, name).await?;
    Ok(cost)
}

async fn sample(server: &NatsServer, fleet: Fleet, name: &str) -> Result<Sample> {
    let plugins = fleet.plugins();
    let one = Fleet { active: 1, idle: plugins - 1, ..fleet };
    let host = one.start(server, name).await?;
    let pid = host.process.pid()?;
    let clock = CpuClock::of(pid)?;
    let start_cpu = clock.now()?;
    let memory_bytes = Usage::of(pid)?.distinct_bytes;
    tokio::time::sleep(SETTLED).await;
    let before = clock.now()?;
    tokio::time::sleep(IDLE).await;
    let idle_cpu = clock.now()? - before;
    let alone = workload("receive", RECEIVE, 128, MESSAGES);
    let one_active_ns = cost(server, alone, name, pid).await?;
    let start_ns = host.start_ns;
    end(host, server, name).await?;

    let all_active_ns = if plugins == 1 {
        one_active_ns
    } else {
        let name = format!("{name}-all");
        let host = fleet.start(server, &name).await?;
        let pid = host.process.pid()?;
        tokio::time::sleep(SETTLED).await;
        let cost = cost(server, among(plugins, alone), &name, pid).await?;
        end(host, server, &name).await?;
        cost
    };
    Ok(Sample {
        start_ns,
        start_cpu_ns: u64::try_from(start_cpu.as_nanos())?,
        memory_bytes,
        idle_cpu_ns: u64::try_from(idle_cpu.as_nanos())?,
        one_active_ns,
        all_active_ns,
    })
}

async fn cost(server: &NatsServer, workload: Workload, name: &str, host: u32) -> Result<f64> {
    let sample = measure::run(server, workload, name, host).await?;
    Ok(sample.cpu_ns as f64 / sample.messages as f64)
}

async fn end(mut host: Sailing, server: &NatsServer, name: &str) -> Result<()> {
    host.process.kill().await?;
    eventually(&format!("{name} to be gone"), async || {
        let active = clients::connections(server, name).await?;
        let idle = clients::connections(server, &format!("idle-{name}")).await?;
        Ok((active.is_empty() && idle.is_empty()).then_some(()))
    })
    .await
}

impl Row {
    fn of(fleet: Fleet, samples: &[Sample]) -> Self {
        let per_second = IDLE.as_secs_f64();
        Self {
            plugins: fleet.plugins(),
            subscriptions: fleet.subscriptions(),
            start_ms: median(samples, |sample| sample.start_ns as f64 / 1e6),
            start_cpu_ms: median(samples, |sample| sample.start_cpu_ns as f64 / 1e6),
            memory_bytes: median(samples, |sample| sample.memory_bytes as f64),
            memory_bytes_of_each_further: 0.0,
            idle_cpu_us_per_second: median(samples, |sample| {
                sample.idle_cpu_ns as f64 / 1e3 / per_second
            }),
            one_active_ns: median(samples, |sample| sample.one_active_ns),
            all_active_ns: median(samples, |sample| sample.all_active_ns),
        }
    }

    /// What each plugin but the first takes. `alone` is what a host with one takes: what
    /// the first one costs is the host's.
    fn further(&self, alone: f64) -> f64 {
        (self.memory_bytes - alone).max(0.0) / self.plugins.saturating_sub(1).max(1) as f64
    }

    /// Whether it is one of those with few subscriptions.
    fn is_plain(&self) -> bool {
        self.subscriptions == self.plugins * SUBJECTS.len()
    }

    fn print(&self) {
        println!(
            "{:>7} {:>13} {:>7.0} {:>10.0} {:>11.1} {:>8.0} {:>8.0} {:>10.0}",
            self.plugins,
            self.subscriptions,
            self.start_ms,
            self.start_cpu_ms * 1e3 / self.plugins as f64,
            self.memory_bytes_of_each_further / KIB,
            self.idle_cpu_us_per_second,
            self.one_active_ns,
            self.all_active_ns,
        );
    }
}
