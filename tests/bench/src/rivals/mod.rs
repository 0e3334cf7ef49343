//! Native programs that do what the benchmarks' guest does, each run as a process
//! of its own so that its processor time is its own.
//!
//! All subscribe to [`SUBJECTS`]: they count on the first and tell count and bytes
//! where asked, echo on the second, and publish on the third.

mod async_nats;
mod raw;

use std::net::SocketAddr;

use anyhow::Result;
use clap::ValueEnum;

/// Input, echo, and orders to publish.
pub(crate) const SUBJECTS: [&str; 3] = ["bench.in", "bench.echo", "bench.publish"];

/// Where ordered messages go.
pub(crate) const OUTPUT: &str = "bench.out";

/// A native program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// async-nats on a runtime of one thread.
    AsyncNatsOneThread,
    /// async-nats on a runtime with a thread for each processor.
    AsyncNatsManyThreads,
    /// A blocking socket.
    Raw,
}

/// Serves until it is killed.
pub(crate) fn run(rival: Rival, server: SocketAddr, name: &str) -> Result<()> {
    match rival {
        Rival::AsyncNatsOneThread => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async_nats::serve(server, name)),
        Rival::AsyncNatsManyThreads => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(async_nats::serve(server, name)),
        Rival::Raw => raw::serve(server, name),
    }
}
