//! Callbacks after a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::bindings::simple_nats::client::timers;
use crate::callbacks::{self, Timer};
use crate::{Error, TimerId};

/// Calls back once, after `delay` (in steps of a millisecond).
///
/// ```no_run
/// # use std::time::Duration;
/// simple_nats_guest::set_timer(Duration::from_secs(1), || println!("a second later"))?;
/// # Ok::<(), simple_nats_guest::Error>(())
/// ```
pub fn set_timer(delay: Duration, callback: impl FnOnce() + 'static) -> Result<TimerId, Error> {
    let mut callback = Some(callback);
    set(delay, false, move || {
        if let Some(callback) = callback.take() {
            callback();
        }
    })
}

/// Calls back each time that `period` has passed, until [`cancel_timer`]. Times
/// missed because the instance was busy are not made up for.
pub fn set_interval(period: Duration, callback: impl FnMut() + 'static) -> Result<TimerId, Error> {
    set(period, true, callback)
}

/// No callback of this timer begins any more; one that has ended already is
/// not an error.
pub fn cancel_timer(id: TimerId) {
    timers::cancel_timer(id.0);
    drop(callbacks::with(|callbacks| callbacks.timers.remove(&id.0)));
}

fn set(delay: Duration, repeats: bool, callback: impl FnMut() + 'static) -> Result<TimerId, Error> {
    let delay_ms = u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let id = timers::set_timer(delay_ms, repeats)?;
    let timer = Timer { repeats, callback: Rc::new(RefCell::new(callback)) };
    callbacks::with(|callbacks| callbacks.timers.insert(id, timer));
    Ok(TimerId(id))
}
