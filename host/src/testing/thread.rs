//! The one thread on which all of a test runs: the plugin, its connections and
//! whatever plays its server.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use super::log::Log;
use crate::time::ManualClock;

pub(super) struct Thread {
    runtime: Runtime,
    idleness: Arc<Idleness>,
    clock: Option<ManualClock>,
    log: Log,
}

impl Thread {
    /// It goes by the system's clock if it gets no other.
    pub(super) fn new(clock: Option<ManualClock>, log: Log) -> std::io::Result<Self> {
        let idleness = Arc::<Idleness>::default();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park({
                let idleness = Arc::clone(&idleness);
                move || idleness.begins()
            })
            .build()?;
        Ok(Self { runtime, idleness, clock, log })
    }

    pub(super) fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Runs everything until this is done.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let _time = self.clock.as_ref().map(ManualClock::enter);
        self.log.record(|| self.runtime.block_on(work))
    }

    /// Runs everything until nothing can go on, except by time or from outside.
    pub(super) fn settle(&self) {
        self.run(self.idleness.wait());
    }

    /// Lets time pass, stopping at each moment for which something waits, until the
    /// time is over or it is enough. Whether it was enough.
    pub(super) fn pass(&self, duration: Duration, is_enough: impl Fn() -> bool) -> bool {
        self.settle();
        let Some(clock) = &self.clock else {
            return self.run(async {
                let enough = async {
                    while !is_enough() {
                        tokio::time::sleep(LOOK).await;
                    }
                };
                tokio::time::timeout(duration, enough).await.is_ok()
            });
        };
        let end = clock.now() + duration;
        while !is_enough() {
            match clock.next_deadline() {
                Some(next) if next <= end => clock.move_to(next),
                _ => {
                    clock.move_to(end);
                    self.settle();
                    return is_enough();
                }
            }
            self.settle();
        }
        true
    }
}

/// How often real time is asked whether there has been enough of it.
const LOOK: Duration = Duration::from_millis(5);

/// Tells when the runtime has nothing to do.
#[derive(Default)]
struct Idleness {
    has_begun: AtomicBool,
    waiter: Mutex<Option<Waker>>,
}

impl Idleness {
    /// Called by the runtime before it sleeps.
    fn begins(&self) {
        if let Some(waiter) = self.waiter.lock().take() {
            self.has_begun.store(true, Ordering::Relaxed);
            waiter.wake();
        }
    }

    async fn wait(&self) {
        self.has_begun.store(false, Ordering::Relaxed);
        poll_fn(|cx| {
            if self.has_begun.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *self.waiter.lock() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
