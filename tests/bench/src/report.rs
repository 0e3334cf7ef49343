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
    pub(crate) workload: &'static str,
    pub(crate) client: &'static str,
    payload_bytes: usize,
    clients: usize,
    /// Processor time of the client's process.
    pub(crate) cpu_ns_per_message: f64,
    /// The same as a multiple of what the better async-nats takes.
    relative: f64,
    /// The same as a multiple of what the best whole native client takes.
    pub(crate) relative_to_best: f64,
    /// The same as a multiple of what a raw socket takes.
    relative_to_raw: f64,
    messages_per_second: f64,
    /// Processor time of the server's process.
    server_cpu_ns_per_message: f64,
    /// Processor time of the process that makes the load.
    load_cpu_ns_per_message: f64,
    latency: Option<Latency>,
    rounds: Vec<Sample>,
}

/// Sums up a workload.
pub(crate) fn sum_up(workload: Workload, rounds: Vec<(Client, Vec<Sample>)>) -> Vec<Outcome> {
    let cpu = |samples: &[Sample]| median(samples, |sample| per_message(sample, sample.cpu_ns));
    let best = |of: fn(Client) -> bool| {
        let these = rounds.iter().filter(|(client, _)| of(*client));
        these.map(|(_, samples)| cpu(samples)).fold(f64::INFINITY, f64::min)
    };
    let (async_nats, native) = (best(Client::is_async_nats), best(Client::is_native));
    let raw = best(Client::is_raw);
    let outcome = |(client, samples): (Client, Vec<Sample>)| Outcome {
        workload: workload.name,
        client: client.label(),
        payload_bytes: workload.payload,
        clients: workload.clients,
        cpu_ns_per_message: cpu(&samples),
        relative: cpu(&samples) / async_nats,
        relative_to_best: cpu(&samples) / native,
        relative_to_raw: cpu(&samples) / raw,
        messages_per_second: median(&samples, |sample| 1e9 / per_message(sample, sample.wall_ns)),
        server_cpu_ns_per_message: median(&samples, |sample| {
            per_message(sample, sample.server_cpu_ns)
        }),
        load_cpu_ns_per_message: median(&samples, |sample| per_message(sample, sample.load_cpu_ns)),
        latency: latency(&samples),
        rounds: samples,
    };
    rounds.into_iter().map(outcome).collect()
}

/// Heads the columns of [`table`].
pub(crate) const HEAD: &str = concat!(
    "                                  CPU       CPU relative to        messages   CPU ns/message      p50      p99\n",
    "                           ns/message async-nats the best  raw         /s  server     load       µs       µs",
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
            "  {:<24} {:>10.0} {:>10.2} {:>8.2} {:>5.2} {:>9.0} {:>7.0} {:>8.0} {p50:>8} {p99:>8}",
            outcome.client,
            outcome.cpu_ns_per_message,
            outcome.relative,
            outcome.relative_to_best,
            outcome.relative_to_raw,
            outcome.messages_per_second,
            outcome.server_cpu_ns_per_message,
            outcome.load_cpu_ns_per_message,
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

/// The value in the middle.
pub(crate) fn median<T>(samples: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
