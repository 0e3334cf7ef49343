//! The thread that moves the engine's epoch on while guests run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How long a guest that is at work for long runs before the connections and plugins
/// beside it get their turn. Also the grain of the limit on processor time.
pub const TICK: Duration = Duration::from_millis(2);

/// The same for one that was not seen at work lately. Each tick wakes a thread,
/// which costs as much as dozens of short callbacks.
const FIRST_TICK: Duration = Duration::from_millis(10);

/// After a guest was seen at work at a short tick, so many are.
const SHORT_TICKS: u32 = 5;

/// Without a guest that runs, ticking ends after so many ticks. It goes on for a
/// while since waking a thread costs more than a short call.
const IDLE_TICKS: u32 = 10;

/// Ends when dropped.
pub(in crate::plugin) struct Ticker {
    activity: Arc<Activity>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// # Errors
    /// If the operating system gives no thread.
    pub(in crate::plugin) fn start(engine: &Engine) -> std::io::Result<Self> {
        let (activity, stop) = (Arc::<Activity>::default(), Arc::<AtomicBool>::default());
        let thread = std::thread::Builder::new().name("epoch".into()).spawn({
            let (activity, stop, engine) =
                (Arc::clone(&activity), Arc::clone(&stop), engine.weak());
            move || tick(&activity, &stop, &engine)
        })?;
        // Nothing else sets it.
        let _ = activity.ticker.set(thread.thread().clone());
        Ok(Self { activity, stop, thread: Some(thread) })
    }

    /// What guests of the engine have to report to.
    pub(in crate::plugin) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It can only have ended; a panic in it must not become one here.
            let _ = thread.join();
        }
    }
}

fn tick(activity: &Activity, stop: &AtomicBool, engine: &EngineWeak) {
    let (mut idle, mut short) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        if idle >= IDLE_TICKS {
            activity.sleep();
        }
        std::thread::sleep(if short > 0 { TICK } else { FIRST_TICK });
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
        short = short_ticks(short, activity.is_running());
        idle = if activity.since_last_time() { 0 } else { idle + 1 };
    }
}

/// How many of the next ticks are short.
fn short_ticks(before: u32, is_running: bool) -> u32 {
    match is_running {
        // Maybe in one of many short callbacks: the next tick tells.
        true if before == 0 => 1,
        true => SHORT_TICKS,
        false => before.saturating_sub(1),
    }
}

/// Whether guests run.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Activity {
    running: AtomicUsize,
    /// One has run since the ticker last looked.
    has_run: AtomicBool,
    /// The ticker sleeps until it is woken.
    is_asleep: AtomicBool,
    ticker: OnceLock<Thread>,
}

impl Activity {
    /// A guest runs until the answer is dropped.
    pub(in crate::plugin) fn begin(&self) -> Running<'_> {
        // In the order opposite to that in `sleep`: one of both sees the other.
        self.running.fetch_add(1, Ordering::SeqCst);
        if self.is_asleep.load(Ordering::SeqCst)
            && let Some(ticker) = self.ticker.get()
        {
            ticker.unpark();
        }
        Running(self)
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    fn since_last_time(&self) -> bool {
        self.has_run.swap(false, Ordering::Relaxed) || self.is_running()
    }

    /// Called by the ticker: sleeps until a guest runs.
    fn sleep(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 {
            std::thread::park();
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

/// A guest that runs.
pub(in crate::plugin) struct Running<'a>(&'a Activity);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.has_run.store(true, Ordering::Relaxed);
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn ticks_are_short_while_a_guest_is_seen_at_work() {
        let after = |seen: &[bool]| seen.iter().fold(0, |short, &is| short_ticks(short, is));
        assert_eq!(after(&[false]), 0);
        assert_eq!(after(&[true]), 1);
        assert_eq!(after(&[true, false]), 0);
        assert_eq!(after(&[true, true]), SHORT_TICKS);
        assert_eq!(after(&[true, true, true]), SHORT_TICKS);
        assert_eq!(after(&[true, true, false]), SHORT_TICKS - 1);
        assert_eq!(after(&[true, true, false, true]), SHORT_TICKS);
    }

    #[test]
    fn ticker_sleeps_while_nothing_runs_and_wakes_for_a_guest() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let activity = Arc::clone(ticker.activity());
        let is_asleep = || activity.is_asleep.load(Ordering::SeqCst);
        for _ in 0..2 {
            wait_until("not asleep", is_asleep);
            let running = activity.begin();
            wait_until("still asleep", || !is_asleep());
            drop(running);
        }
    }
}
