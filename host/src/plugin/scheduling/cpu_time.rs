//! The processor time that a thread has had.

#[cfg(unix)]
use rustix::time::{ClockId, clock_gettime};

/// That of the calling thread, in nanoseconds since some time.
#[cfg(unix)]
pub(in crate::plugin) fn of_this_thread() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// Elsewhere, all the time that passes counts as the thread's.
#[cfg(not(unix))]
pub(in crate::plugin) fn of_this_thread() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;

    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
