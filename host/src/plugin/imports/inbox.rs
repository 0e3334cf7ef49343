//! `simple-nats:client/inbox`.

use std::time::Duration;

use crate::plugin::dispatch::mailbox::{self, Wait};
use crate::plugin::loading::bindings::inbox::{Delivery, Host, Reply};
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::reporting::text;
use crate::plugin::state::State;

impl Host for State {
    async fn next(
        &mut self,
        outcome: Result<(), String>,
        timeout_ms: Option<u32>,
    ) -> Result<Option<Delivery>, Error> {
        if let Err(reason) = outcome {
            self.handler_failed(&reason);
        }
        if timeout_ms == Some(0) {
            return Ok(self.take().map(for_guest));
        }
        let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        loop {
            // Handled with this call, also if nothing comes.
            self.finish();
            match self.mailbox.wait(timeout).await {
                Wait::Ready => {
                    if let Some(delivery) = self.take() {
                        return Ok(Some(for_guest(delivery)));
                    }
                }
                Wait::TimedOut => return Ok(None),
                Wait::Stopped => return Err(Error::Cancelled),
            }
        }
    }
}

fn for_guest(delivery: mailbox::Delivery) -> Delivery {
    match delivery {
        mailbox::Delivery::Message(incoming) => {
            Delivery::Message(super::message_for_guest(&incoming))
        }
        mailbox::Delivery::Reply { client, id, answer, last } => {
            Delivery::Reply(Reply { id, answer: super::answer_for_guest(client, &answer), last })
        }
        mailbox::Delivery::Event { client, event } => {
            Delivery::Event((client, super::event_for_guest(&event)))
        }
        mailbox::Delivery::Timer(id) => Delivery::Timer(id),
    }
}

impl State {
    /// A handler answered an error: ordinary traffic, told to who waits for it.
    pub(in crate::plugin) fn handler_failed(&mut self, reason: &str) {
        self.plugin.report(PluginEvent::CallbackFailed { reason: text::reason(reason) });
        self.answer_error(reason);
    }
}
