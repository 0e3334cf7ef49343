//! Native programs that do what the benchmarks' guest does, each run as a process
//! of its own so that its processor time is its own.
//!
//! Each client in one is named `NAME-0`, `NAME-1` and so on, and subscribes to
//! [`SUBJECTS`]. Those in other languages lie in `tests/bench/rivals`.

mod async_nats;
mod engine;
mod raw;

use std::{net::SocketAddr, thread};

use anyhow::{Context, Result};
use clap::ValueEnum;
use futures_util::future::try_join_all;

/// Clients count messages and their bytes, and tell where asked.
pub(crate) const INPUT: &str = "bench.in";
/// The same with the bytes of the header field [`HEADER`].
pub(crate) const HEADERS: &str = "bench.headers";
/// Answered with the same payload.
pub(crate) const ECHO: &str = "bench.echo";
/// `[count, size]`: orders to publish on [`OUTPUT`], answered when done.
pub(crate) const PUBLISH: &str = "bench.publish";
/// `[count, size, in flight]`: orders to request of [`SERVICE`], answered when done.
pub(crate) const REQUEST: &str = "bench.request";

/// What each client subscribes to.
pub(crate) const SUBJECTS: [&str; 5] = [INPUT, HEADERS, ECHO, PUBLISH, REQUEST];

/// The header field that clients read.
pub(crate) const HEADER: &str = "Trace-Id";

/// Where ordered messages go.
pub(crate) const OUTPUT: &str = "bench.out";

/// Who answers ordered requests: the load.
pub(crate) const SERVICE: &str = "bench.service";

/// A native program that is part of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rival {
    /// async-nats on a runtime of one thread.
    AsyncNatsOneThread,
    /// async-nats on a runtime with a thread for each processor.
    AsyncNatsManyThreads,
    /// The engine of the host on a runtime of one thread, without a plugin.
    Engine,
    /// A blocking socket.
    Raw,
}

/// Serves with so many clients until it is killed.
pub(crate) fn run(rival: Rival, server: SocketAddr, name: &str, clients: usize) -> Result<()> {
    let names = (0..clients).map(|client| format!("{name}-{client}"));
    match rival {
        Rival::AsyncNatsOneThread => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(try_join_all(names.map(|name| async_nats::serve(server, name)))),
        Rival::AsyncNatsManyThreads => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(try_join_all(names.map(|name| async_nats::serve(server, name)))),
        Rival::Engine => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(try_join_all(names.map(|name| engine::serve(server, name)))),
        Rival::Raw => thread::scope(|scope| {
            let threads: Vec<_> =
                names.map(|name| scope.spawn(move || raw::serve(server, &name))).collect();
            let end = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
                thread.join().ok().context("a thread panicked")?
            };
            threads.into_iter().map(end).collect()
        }),
    }
    .map(drop)
}
