//! The clock that connections and plugins go by: the system's or, on a thread where
//! one is in effect, a [`ManualClock`], which moves only when it is told to.
//!
//! What happens outside of the host goes by the system's clock always: sockets are
//! opened and components compiled in a time of their own.

mod keeper;
mod manual;
mod timer;

use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use self::manual::ManualClock;
pub(crate) use self::timer::Timer;

/// What was waited for did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The present.
pub(crate) fn now() -> Instant {
    ManualClock::in_effect().map_or_else(Instant::now, |clock| clock.now())
}

/// How long ago this was.
pub(crate) fn since(begin: Instant) -> Duration {
    now().saturating_duration_since(begin)
}

/// The present as people count it, as the time since the beginning of 1970.
pub(crate) fn since_1970() -> Duration {
    ManualClock::in_effect().map_or_else(
        || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        |clock| clock.since_1970(),
    )
}

/// Waits for this long.
pub(crate) async fn sleep(duration: Duration) {
    match ManualClock::in_effect() {
        None => tokio::time::sleep(duration).await,
        Some(clock) => clock.sleep(clock.now().checked_add(duration)).await,
    }
}

/// Waits until then.
pub(crate) async fn sleep_until(deadline: Instant) {
    match ManualClock::in_effect() {
        None => tokio::time::sleep_until(deadline.into()).await,
        Some(clock) => clock.sleep(Some(deadline)).await,
    }
}

/// Waits for something, but for no longer than this.
///
/// # Errors
/// If it takes longer.
pub(crate) async fn timeout<T>(
    longest: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let (mut work, time) = (pin!(work), pin!(sleep(longest)));
    tokio::select! {
        biased;
        done = &mut work => Ok(done),
        () = time => Err(Elapsed),
    }
}
