//! Whether answers came, and in time.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use test_support::Share;

/// Good service: so many answers come in time.
const GOOD_SERVICE: f64 = 0.95;

/// How somebody was served.
pub(crate) struct Service {
    asked: usize,
    /// How long answers took, in ascending order.
    times: Vec<Duration>,
    share: Share,
}

impl Service {
    /// How long each answer took, if it came, while the machine was used so.
    pub(crate) fn of(answers: impl Iterator<Item = Option<Duration>>, share: Share) -> Self {
        let mut asked = 0;
        let mut times: Vec<_> = answers.inspect(|_| asked += 1).flatten().collect();
        times.sort_unstable();
        Self { asked, times, share }
    }

    /// All answers came, and nearly all within a time, unless others took the
    /// machine's.
    pub(crate) fn judge(&self, prompt: Duration) -> Result<()> {
        ensure!(self.times.len() == self.asked, "answers are missing: {self:?}");
        let in_time = self.times.partition_point(|took| *took <= prompt) as f64;
        let is_prompt = in_time / self.asked as f64 > GOOD_SERVICE;
        ensure!(is_prompt || !self.share.is_quiet(), "too few answers within {prompt:?}: {self:?}");
        Ok(())
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |share: f64| self.times.get((self.times.len() as f64 * share) as usize);
        f.debug_struct("Service")
            .field("asked", &self.asked)
            .field("answered", &self.times.len())
            .field("median", &at(0.5))
            .field("95%", &at(0.95))
            .field("slowest", &self.times.last())
            .field("share", &self.share)
            .finish()
    }
}
