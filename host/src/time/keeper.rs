//! A thread that keeps time for others.
//!
//! While a runtime has a timer set, it waits for work with a timeout, for which the
//! kernel sets a timer of its own each time, and clears it. A message that comes alone
//! shows it. So what is set for long and seldom rings is set here.

use std::io;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// None if the system gave no thread.
static KEEPER: OnceLock<Option<Handle>> = OnceLock::new();

/// Timers that are made until the answer is dropped are kept here. None: they are kept
/// where they are made, which costs more.
pub(super) fn enter() -> Option<EnterGuard<'static>> {
    let begin = || {
        let keeper = start();
        keeper.inspect_err(|error| tracing::debug!(%error, "no thread to keep time")).ok()
    };
    KEEPER.get_or_init(begin).as_ref().map(Handle::enter)
}

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    // It is there for good; and where it is made, a runtime must not be dropped.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    let keep = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name("time".into()).spawn(keep)?;
    Ok(runtime.handle().clone())
}
