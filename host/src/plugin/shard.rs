//! The threads that connections and guests run on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How many task polls may pass before sockets and timers are looked at: one
/// callback after the other must not keep the other connections waiting, and
/// each look is a system call.
const EVENT_INTERVAL: u32 = 16;

/// Threads with a runtime each. A plugin and its connection share one, so that a
/// message changes no thread on its way.
pub(super) struct Shards {
    all: Vec<Shard>,
    next: AtomicUsize,
}

struct Shard {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shards {
    /// # Errors
    /// If the operating system gives no thread.
    pub(super) fn start(count: usize) -> std::io::Result<Self> {
        let all = (0..count.max(1)).map(Shard::start).collect::<Result<_, _>>()?;
        Ok(Self { all, next: AtomicUsize::new(0) })
    }

    /// The shard for the next plugin.
    pub(super) fn assign(&self) -> Option<Handle> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(self.all.len())?;
        self.all.get(index).map(|shard| shard.handle.clone())
    }
}

impl Shard {
    fn start(number: usize) -> std::io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().event_interval(EVENT_INTERVAL).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name(format!("shard-{number}")).spawn(move || {
                // A sender that is gone says the same as one that has sent.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported where it happened.
            let _ = thread.join();
        }
    }
}
