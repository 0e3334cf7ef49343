//! Medians of the rounds, as a table for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    clients::Client,
    measure::{Latency, Sample},
    workloads::Workload,
};

/// All rounds of one client at one workload.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    workload: &'static str,
    client: &'static str,
    payload_bytes: usize,
    /// Processor time of the client's process.
    cpu_ns_per_message: f64,
    /// The same as a multiple of what the better async-nats takes.
    relative: f64,
    messages_per_second: f64,
    /// Processor time of the server's process.
    server_cpu_ns_per_message: f64,
    latency: Option<Latency>,
    rounds: Vec<Sample>,
}

/// Sums up a workload.
pub(crate) fn sum_up(workload: Workload, rounds: Vec<(Client, Vec<Sample>)>) -> Vec<Outcome> {
    let cpu = |samples: &[Sample]| median(samples, |sample| per_message(sample, sample.cpu_ns));
    let yardsticks = rounds.iter().filter(|(client, _)| client.is_yardstick());
    let yardstick = yardsticks.map(|(_, samples)| cpu(samples)).fold(f64::INFINITY, f64::min);
    let outcome = |(client, samples): (Client, Vec<Sample>)| Outcome {
        workload: workload.name,
        client: client.label(),
        payload_bytes: workload.payload,
        cpu_ns_per_message: cpu(&samples),
        relative: cpu(&samples) / yardstick,
        messages_per_second: median(&samples, |sample| 1e9 / per_message(sample, sample.wall_ns)),
        server_cpu_ns_per_message: median(&samples, |sample| {
            per_message(sample, sample.server_cpu_ns)
        }),
        latency: latency(&samples),
        rounds: samples,
    };
    rounds.into_iter().map(outcome).collect()
}

/// Heads the columns of [`table`].
pub(crate) const HEAD: &str = concat!(
    "                                  CPU relative to   messages server CPU      p50      p99\n",
    "                           ns/message async-nats         /s ns/message       µs       µs",
);

/// The rows of one workload.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let micros = |ns: u64| format!("{:.0}", ns as f64 / 1e3);
        let (p50, p99) = outcome.latency.map_or_else(Default::default, |latency| {
            (micros(latency.p50_ns), micros(latency.p99_ns))
        });
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "  {:<24} {:>10.0} {:>10.2} {:>10.0} {:>10.0} {p50:>8} {p99:>8}",
            outcome.client,
            outcome.cpu_ns_per_message,
            outcome.relative,
            outcome.messages_per_second,
            outcome.server_cpu_ns_per_message,
        );
    }
    text
}

fn latency(samples: &[Sample]) -> Option<Latency> {
    let latencies: Vec<_> = samples.iter().filter_map(|sample| sample.latency).collect();
    let median = |of: fn(&Latency) -> f64| median(&latencies, of) as u64;
    (!latencies.is_empty()).then(|| Latency {
        p50_ns: median(|latency| latency.p50_ns as f64),
        p99_ns: median(|latency| latency.p99_ns as f64),
    })
}

fn per_message(sample: &Sample, ns: u64) -> f64 {
    ns as f64 / sample.messages.max(1) as f64
}

fn median<T>(samples: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
