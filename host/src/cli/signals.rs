//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Does something that takes a while; a second signal ends the process at once.
pub(super) async fn unless_repeated<T>(work: impl Future<Output = T>) -> T {
    tokio::select! {
        result = work => result,
        Ok(()) = stop() => std::process::exit(130),
    }
}
