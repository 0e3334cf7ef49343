//! Being asked to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn stop() -> io::Result<()> {
    Stops::new()?.next().await;
    Ok(())
}

/// From this call on, another signal ends the process at once.
pub(super) fn end_at_next() -> io::Result<()> {
    let mut stops = Stops::new()?;
    tokio::spawn(async move {
        stops.next().await;
        std::process::exit(130);
    });
    Ok(())
}

struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    /// Misses none that comes after this call.
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
