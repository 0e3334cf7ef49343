//! How far an instance has come with what it has in hand, for those who watch it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use super::cpu_time;
use super::ticker::{Activity, TICK};
use crate::time::Timer;

/// A guest that has had this much of the processor at a tick has had its turn.
/// The ticks themselves come by the clock on the wall: on a busy machine they
/// would leave a guest next to nothing.
const SLICE: u64 = TICK.as_nanos() as u64 / 2;

/// No time has been taken since the call began.
const UNKNOWN: u64 = u64::MAX;

/// Counts the deliveries taken, and the processor time that the guest has had for
/// the present one. Waits, in host calls or for its turn, are no such time.
///
/// Reading the processor's time is a system call, so a call into the guest that
/// neither waits nor lasts until a tick does without: it goes uncounted.
///
/// Written by one thread at a time, so loads and stores need not be one step.
#[derive(Debug)]
pub(in crate::plugin) struct Progress {
    activity: Arc<Activity>,
    deliveries: AtomicU64,
    /// The time is that of a delivery before.
    is_stale: AtomicBool,
    /// What the present delivery has had up to the last pause, in nanoseconds,
    /// and when counting went on after it.
    had: AtomicU64,
    since: AtomicU64,
    /// When the guest was given the processor last.
    slice: AtomicU64,
    /// Nothing is in hand.
    rests: AtomicBool,
}

/// How a guest stands at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Stand {
    /// The processor time it has had for what it has in hand.
    pub(in crate::plugin) cpu_time: Duration,
    /// Others are to have their turn.
    pub(in crate::plugin) is_slice_over: bool,
}

/// The callback took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct TookTooLong;

impl Progress {
    pub(in crate::plugin) fn new(activity: Arc<Activity>) -> Self {
        Self {
            activity,
            deliveries: AtomicU64::new(0),
            is_stale: AtomicBool::new(false),
            had: AtomicU64::new(0),
            since: AtomicU64::new(UNKNOWN),
            slice: AtomicU64::new(UNKNOWN),
            rests: AtomicBool::new(false),
        }
    }

    /// The next delivery is in hand. Reads no clock, since it is called for each;
    /// its time is counted from the next tick on.
    #[inline]
    pub(in crate::plugin) fn advance(&self) {
        self.deliveries.store(self.deliveries.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Called by the guest's thread at a tick.
    pub(in crate::plugin) fn tick(&self) -> Stand {
        let now = cpu_time::of_this_thread();
        if self.is_stale.load(Ordering::Relaxed) {
            self.is_stale.store(false, Ordering::Relaxed);
            self.had.store(0, Ordering::Relaxed);
            self.since.store(now, Ordering::Relaxed);
        }
        let since = match self.since.load(Ordering::Relaxed) {
            UNKNOWN => {
                self.since.store(now, Ordering::Relaxed);
                now
            }
            since => since,
        };
        let had = self.had.load(Ordering::Relaxed).saturating_add(now.saturating_sub(since));
        let slice = self.slice.load(Ordering::Relaxed);
        Stand {
            cpu_time: Duration::from_nanos(had),
            is_slice_over: slice == UNKNOWN || now.saturating_sub(slice) >= SLICE,
        }
    }

    /// To be said by a host call in which the guest, with nothing in hand, waits for
    /// the next delivery, whenever that is not there: what follows is a call begun anew.
    pub(in crate::plugin) fn rest(&self) {
        self.rests.store(true, Ordering::Relaxed);
    }

    fn rests(&self) -> bool {
        self.rests.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        let since = self.since.load(Ordering::Relaxed);
        if since != UNKNOWN {
            let more = cpu_time::of_this_thread().saturating_sub(since);
            self.had
                .store(self.had.load(Ordering::Relaxed).saturating_add(more), Ordering::Relaxed);
        }
    }

    /// Runs a call into the guest, taking note of when it is at work.
    pub(in crate::plugin) async fn clocked<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        self.rest();
        poll_fn(|cx| self.poll_clocked(cx, call.as_mut())).await
    }

    #[inline]
    fn poll_clocked<T>(
        &self,
        cx: &mut Context<'_>,
        call: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<T> {
        let _running = self.activity.begin();
        let now = if self.rests() { UNKNOWN } else { cpu_time::of_this_thread() };
        self.rests.store(false, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.slice.store(now, Ordering::Relaxed);
        let poll = call.poll(cx);
        if poll.is_pending() && !self.rests() {
            self.pause();
        }
        poll
    }

    /// Runs a call into the guest; gives it up when one delivery has been in hand
    /// for longer than the limit. Looks four times in that time, so it may be up
    /// to a quarter longer. With nothing in hand, there is no limit.
    pub(in crate::plugin) async fn watch<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = T>,
    ) -> Result<T, TookTooLong> {
        const LOOKS: u32 = 4;
        let mut call = pin!(call);
        self.rest();
        let (mut seen, mut looks) = (self.deliveries.load(Ordering::Relaxed), 0);
        let mut timer = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_clocked(cx, call.as_mut()) {
                return Poll::Ready(Ok(result));
            }
            if self.rests() {
                // While one is set, the thread waits with a timeout, which costs more.
                timer = None;
                return Poll::Pending;
            }
            // Most calls do not wait, and need no timer.
            let timer = timer.get_or_insert_with(|| Timer::new(limit / LOOKS));
            while timer.poll(cx).is_ready() {
                let now = self.deliveries.load(Ordering::Relaxed);
                looks = if now == seen { looks + 1 } else { 0 };
                seen = now;
                if looks >= LOOKS {
                    return Poll::Ready(Err(TookTooLong));
                }
                *timer = Timer::new(limit / LOOKS);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress::new(Arc::default())
    }

    /// Ticks until the delivery in hand has had so much of the processor.
    fn work(progress: &Progress, time: Duration) {
        while progress.tick().cpu_time < time {}
    }

    #[tokio::test]
    async fn each_delivery_has_the_whole_time() {
        let progress = progress();
        let limit = Duration::from_millis(400);
        let deliveries = async {
            for _ in 0..3 {
                progress.advance();
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        assert_eq!(progress.watch(limit, deliveries).await, Ok(()));
        let stuck = progress.watch(limit, std::future::pending::<()>());
        assert_eq!(stuck.await, Err(TookTooLong));
    }

    #[tokio::test]
    async fn nothing_in_hand_has_no_limit_and_costs_no_time() {
        let progress = progress();
        let limit = Duration::from_millis(40);
        let call = async {
            work(&progress, Duration::from_millis(4));
            let mut pause = pin!(tokio::time::sleep(limit * 4));
            poll_fn(|cx| {
                progress.rest();
                pause.as_mut().poll(cx)
            })
            .await;
            progress.advance();
            let had = progress.tick().cpu_time;
            tokio::time::sleep(limit / 2).await;
            had
        };
        assert_eq!(progress.watch(limit, call).await, Ok(Duration::ZERO));
        let stuck = async {
            progress.rest();
            tokio::task::yield_now().await;
            std::future::pending::<()>().await;
        };
        assert_eq!(progress.watch(limit, stuck).await, Err(TookTooLong));
    }

    #[tokio::test]
    async fn only_time_on_the_processor_counts_also_across_waits() {
        let progress = progress();
        let call = async {
            for part in [4, 8] {
                work(&progress, Duration::from_millis(part));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            progress.tick().cpu_time
        };
        let time = progress.watch(Duration::from_secs(10), call).await.unwrap();
        assert!((Duration::from_millis(8)..Duration::from_millis(40)).contains(&time), "{time:?}");
    }

    #[test]
    fn time_begins_anew_with_each_delivery() {
        let progress = progress();
        work(&progress, Duration::from_millis(2));
        progress.advance();
        assert!(progress.tick().cpu_time < Duration::from_millis(2));
    }

    #[tokio::test]
    async fn slice_ends_once_the_processor_was_had_long_enough() {
        let progress = progress();
        let call = async {
            // How long it has run before the first tick is not known.
            assert!(progress.tick().is_slice_over);
            tokio::task::yield_now().await;
            assert!(!progress.tick().is_slice_over);
            while !progress.tick().is_slice_over {}
            progress.tick().cpu_time
        };
        assert!(progress.clocked(call).await >= TICK / 2);
    }
}
