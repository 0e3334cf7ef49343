//! `simple-nats:client/timers`.

use std::time::Duration;

use crate::plugin::loading::bindings::timers::Host;
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::state::State;

impl Host for State {
    fn set_timer(&mut self, delay_ms: u64, repeat: bool) -> Result<u64, Error> {
        let limit = self.settings().limits.max_timers;
        let count = self.mailbox.timer_count();
        if count >= limit {
            return Err(self.plugin.exceeded("timers", count, count + 1, limit));
        }
        self.ids.timer += 1;
        self.mailbox.set_timer(self.ids.timer, Duration::from_millis(delay_ms), repeat);
        Ok(self.ids.timer)
    }

    fn cancel_timer(&mut self, id: u64) {
        self.mailbox.cancel_timer(id);
    }
}
