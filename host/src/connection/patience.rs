//! How long a server may take nothing of what it is to get.

use crate::time::Timer;
use std::task::{Context, Poll};
use std::time::Duration;

/// A timer that runs while a write makes no progress. It costs nothing as long as
/// writes do.
#[derive(Default)]
pub(super) struct Patience {
    timer: Option<Timer>,
}

impl Patience {
    /// Something was taken, or nothing waits.
    pub(super) fn rest(&mut self) {
        self.timer = None;
    }

    /// Nothing was taken; ready once that has been so for `longest`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, longest: Duration) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Timer::new(longest));
        timer.poll(cx)
    }
}
