//! How far an instance has come with what it has in hand, for those who watch it.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::engine::TICK;

/// Counts the deliveries taken, and the time slices used for the present one.
#[derive(Debug, Default)]
pub(super) struct Progress {
    deliveries: AtomicU64,
    slices: AtomicU64,
}

/// The callback took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TookTooLong;

impl Progress {
    /// The next delivery is in hand.
    #[inline]
    pub(super) fn advance(&self) {
        // Written by one thread only.
        self.deliveries.store(self.deliveries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.slices.store(0, Ordering::Relaxed);
    }

    /// The guest has used up one more slice; answers the processor time since
    /// the present delivery was taken.
    pub(super) fn slice(&self) -> Duration {
        let slices = self.slices.fetch_add(1, Ordering::Relaxed) + 1;
        TICK.saturating_mul(u32::try_from(slices).unwrap_or(u32::MAX))
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
        let mut call = pin!(call);
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

    #[tokio::test(start_paused = true)]
    async fn each_delivery_has_the_whole_time() {
        let progress = Progress::default();
        let limit = Duration::from_secs(4);
        let work = async {
            for _ in 0..3 {
                progress.advance();
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        };
        assert_eq!(progress.watch(limit, work).await, Ok(()));
        let stuck = progress.watch(limit, std::future::pending::<()>());
        assert_eq!(stuck.await, Err(TookTooLong));
    }
}
