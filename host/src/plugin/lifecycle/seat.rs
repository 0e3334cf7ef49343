//! One place of a plugin that an instance serves at, a fresh one after each that
//! fails: its mailbox, its state, and the task that keeps it served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::plugin::dispatch::mailbox::Mailbox;
use crate::time;

/// What one instance of a plugin is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[repr(u8)]
pub enum InstanceStatus {
    /// `start` runs.
    Starting,
    /// It takes deliveries.
    Serving,
    /// It has failed; a fresh one is started after a pause.
    BackingOff,
    /// It takes nothing new, and works off what it has.
    Draining,
    /// It has ended.
    Ended,
}

/// The part of a seat that its task shares.
pub(in crate::plugin) struct Place {
    pub(in crate::plugin) mailbox: Arc<Mailbox>,
    status: AtomicU8,
}

impl Place {
    pub(in crate::plugin) fn set_status(&self, status: InstanceStatus) {
        self.status.store(status as u8, Ordering::Relaxed);
    }

    pub(in crate::plugin) fn status(&self) -> InstanceStatus {
        const ALL: [InstanceStatus; 5] = [
            InstanceStatus::Starting,
            InstanceStatus::Serving,
            InstanceStatus::BackingOff,
            InstanceStatus::Draining,
            InstanceStatus::Ended,
        ];
        let index = usize::from(self.status.load(Ordering::Relaxed));
        ALL.get(index).copied().unwrap_or(InstanceStatus::Ended)
    }
}

/// Dropping it ends the instance at once.
pub(in crate::plugin) struct Seat {
    /// Counts from 0 within a version.
    pub(in crate::plugin) number: usize,
    pub(in crate::plugin) shard: usize,
    pub(in crate::plugin) place: Arc<Place>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Seat {
    /// Runs the task that keeps the place served.
    pub(in crate::plugin) fn start<T>(
        number: usize,
        (shard, runtime): (usize, &Handle),
        mailbox: Mailbox,
        task: impl FnOnce(Arc<Place>) -> T,
    ) -> Self
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let status = AtomicU8::new(InstanceStatus::Starting as u8);
        let place = Arc::new(Place { mailbox: Arc::new(mailbox), status });
        let task = runtime.spawn(task(Arc::clone(&place)));
        Self { number, shard, place, task: Mutex::new(Some(task)) }
    }

    /// Waits, bounded by the deadline, until the instance has worked off its
    /// mailbox, which must have been stopped; then ends it. Answers whether the
    /// time was enough.
    pub(in crate::plugin) async fn end(&self, deadline: Duration) -> bool {
        let Some(mut task) = self.task.lock().take() else { return true };
        let in_time = time::timeout(deadline, &mut task).await.is_ok();
        if !in_time {
            task.abort();
            // It ends at the next tick; what it answers then is only that.
            let _ = task.await;
        }
        self.place.set_status(InstanceStatus::Ended);
        in_time
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}
