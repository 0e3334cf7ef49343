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
    report::median,
    workloads::{RECEIVE, Workload, among, workload},
};

/// How many plugins, one of which is active or all of which are.
const PLUGINS: [usize; 4] = [1, 10, 100, 1_000];

/// Subscriptions of each of a hundred plugins, beside those of the load.
const SUBSCRIPTIONS: [usize; 2] = [95, 995];

/// How long a host is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(2);

/// Messages to one plugin, and to all together.
const MESSAGES: u64 = 200_000;

/// One size of fleet: medians of the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    plugins: usize,
    subscriptions: usize,
    start_ms: f64,
    start_cpu_ms: f64,
    resident_bytes: f64,
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
    resident_bytes: u64,
    idle_cpu_ns: u64,
    one_active_ns: f64,
    all_active_ns: f64,
}

const HEAD: &str = concat!(
    "                        start  start CPU   resident  idle CPU   CPU ns/message to\n",
    "plugins subscriptions      ms  µs/plugin  KiB/plugin     µs/s      one       each",
);

/// Measures every size in turn, so many times; prints a table.
pub(crate) async fn run(server: &NatsServer, rounds: u32) -> Result<Vec<Row>> {
    let many = PLUGINS.map(|plugins| Fleet { active: plugins, ..Fleet::default() });
    let wide = SUBSCRIPTIONS.map(|further_subscriptions| Fleet {
        active: 100,
        further_subscriptions,
        ..Fleet::default()
    });
    let fleets: Vec<_> = many.into_iter().chain(wide).collect();
    let mut samples = vec![Vec::new(); fleets.len()];
    for round in 0..rounds {
        for (number, (fleet, samples)) in fleets.iter().zip(&mut samples).enumerate() {
            samples.push(sample(server, *fleet, &format!("scale-{round}-{number}")).await?);
        }
    }
    println!("{HEAD}");
    let rows: Vec<_> =
        fleets.iter().zip(&samples).map(|(fleet, samples)| Row::of(*fleet, samples)).collect();
    let alone = rows.first().map_or(0.0, |row| row.resident_bytes);
    for row in &rows {
        row.print(alone);
    }
    Ok(rows)
}

async fn sample(server: &NatsServer, fleet: Fleet, name: &str) -> Result<Sample> {
    let plugins = fleet.plugins();
    let one = Fleet { active: 1, idle: plugins - 1, ..fleet };
    let host = one.start(server, name).await?;
    let pid = host.process.pid()?;
    let clock = CpuClock::of(pid)?;
    let start_cpu = clock.now()?;
    let resident_bytes = Usage::of(pid)?.resident_bytes;
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
        let cost = cost(server, among(plugins, alone), &name, pid).await?;
        end(host, server, &name).await?;
        cost
    };
    Ok(Sample {
        start_ns,
        start_cpu_ns: u64::try_from(start_cpu.as_nanos())?,
        resident_bytes,
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
            resident_bytes: median(samples, |sample| sample.resident_bytes as f64),
            idle_cpu_us_per_second: median(samples, |sample| {
                sample.idle_cpu_ns as f64 / 1e3 / per_second
            }),
            one_active_ns: median(samples, |sample| sample.one_active_ns),
            all_active_ns: median(samples, |sample| sample.all_active_ns),
        }
    }

    /// `alone` is what a host with one plugin has resident: what the first one
    /// costs is the host's.
    fn print(&self, alone: f64) {
        let further = self.plugins.saturating_sub(1).max(1) as f64;
        println!(
            "{:>7} {:>13} {:>7.0} {:>10.0} {:>11.1} {:>8.0} {:>8.0} {:>10.0}",
            self.plugins,
            self.subscriptions,
            self.start_ms,
            self.start_cpu_ms * 1e3 / self.plugins as f64,
            (self.resident_bytes - alone).max(0.0) / 1024.0 / further,
            self.idle_cpu_us_per_second,
            self.one_active_ns,
            self.all_active_ns,
        );
    }
}
