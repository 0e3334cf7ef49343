//! Being asked to stop, or to reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Takes SIGHUP, which ends the process by itself until then.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Misses none that comes after this call.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Takes SIGTERM and Ctrl-C, which end the process by themselves until then.
pub(super) struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Misses none that comes after this call.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// The next one ends the process at once.
    pub(super) fn end_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(130);
        });
    }
}
