//! How far an instance has come with what it has in hand, for those who watch it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts the deliveries taken, and the time that the guest has run for the
/// present one. Waits, in host calls or for its turn, are no running time.
///
/// Written by one thread at a time, so loads and stores need not be one step.
#[derive(Debug)]
pub(super) struct Progress {
    begin: Instant,
    deliveries: AtomicU64,
    /// The running time is that of a delivery before.
    is_stale: AtomicBool,
    /// Running time up to the last pause, in nanoseconds.
    ran: AtomicU64,
    /// When the guest was resumed last, in nanoseconds since `begin`.
    resumed: AtomicU64,
}

/// The callback took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TookTooLong;

impl Default for Progress {
    fn default() -> Self {
        Self {
            begin: Instant::now(),
            deliveries: AtomicU64::new(0),
            is_stale: AtomicBool::new(false),
            ran: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        }
    }
}

impl Progress {
    /// The next delivery is in hand. Reads no clock, since it is called for each;
    /// its running time is counted from the next tick on.
    #[inline]
    pub(super) fn advance(&self) {
        self.deliveries.store(self.deliveries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// At a tick: the running time for the present delivery.
    pub(super) fn running_time(&self) -> Duration {
        let now = self.now();
        if self.is_stale.load(Ordering::Relaxed) {
            self.is_stale.store(false, Ordering::Relaxed);
            self.ran.store(0, Ordering::Relaxed);
            self.resumed.store(now, Ordering::Relaxed);
        }
        let since = now.saturating_sub(self.resumed.load(Ordering::Relaxed));
        Duration::from_nanos(self.ran.load(Ordering::Relaxed).saturating_add(since))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Runs a call, taking note of when it is at work.
    async fn clocked<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|cx| {
            self.resumed.store(self.now(), Ordering::Relaxed);
            let poll = call.as_mut().poll(cx);
            let ran = self.now().saturating_sub(self.resumed.load(Ordering::Relaxed));
            self.ran.store(self.ran.load(Ordering::Relaxed).saturating_add(ran), Ordering::Relaxed);
            poll
        })
        .await
    }

    /// Runs a call into the guest; gives it up when one delivery has been in hand
    /// for longer than the limit. Looks four times in that time, so it may be up
    /// to a quarter longer.
    pub(super) async fn watch<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = T>,
    ) -> Result<T, TookTooLong> {
        const LOOKS: u32 = 4;
        let mut call = pin!(self.clocked(call));
        let (mut seen, mut looks) = (self.deliveries.load(Ordering::Relaxed), 0);
        loop {
            let timer = tokio::time::sleep(limit / LOOKS);
            tokio::select! {
                biased;
                result = &mut call => return Ok(result),
                () = timer => {}
            }
            let now = self.deliveries.load(Ordering::Relaxed);
            looks = if now == seen { looks + 1 } else { 0 };
            seen = now;
            if looks >= LOOKS {
                return Err(TookTooLong);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_delivery_has_the_whole_time() {
        let progress = Progress::default();
        let limit = Duration::from_millis(400);
        let work = async {
            for _ in 0..3 {
                progress.advance();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        assert_eq!(progress.watch(limit, work).await, Ok(()));
        let stuck = progress.watch(limit, std::future::pending::<()>());
        assert_eq!(stuck.await, Err(TookTooLong));
    }

    #[tokio::test]
    async fn waiting_is_no_running_time() {
        let progress = Progress::default();
        let work = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            progress.running_time()
        };
        let ran = progress.watch(Duration::from_secs(10), work).await.unwrap();
        assert!(ran < Duration::from_millis(40), "{ran:?}");
    }

    #[test]
    fn running_time_begins_anew_with_each_delivery() {
        let progress = Progress::default();
        while progress.running_time() < Duration::from_millis(2) {}
        progress.advance();
        assert!(progress.running_time() < Duration::from_millis(2));
    }
}
