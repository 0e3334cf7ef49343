//! Messages to handlers, several at once.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use wasmtime::Store;
use wasmtime::component::{Accessor, StreamReader};

use crate::plugin::adapters::HandlerError;
use crate::plugin::dispatch::mailbox::{Delivery, Incoming, Mailbox, Wait};
use crate::plugin::error::GuestError;
use crate::plugin::loading::bindings_foreign::wasmcloud_streams::Messaging;
use crate::plugin::loading::bindings_foreign::wasmcloud_streams::wasmcloud::messaging::types::BrokerMessage;
use crate::plugin::scheduling::progress::Progress;
use crate::plugin::state::State;
use crate::time;

/// What logs call the handler.
const DURING: &str = "handle-message";

/// Handles messages until the host is stopping and none are left. The first call
/// that traps or takes too long ends all of them: they share the instance.
pub(in crate::plugin::adapters) async fn serve(
    store: &mut Store<State>,
    guest: &Messaging,
    mailbox: &Mailbox,
    progress: &Progress,
) -> Result<(), GuestError> {
    let limits = store.data().settings().limits;
    let serving = Serving {
        guest,
        mailbox,
        progress,
        max_calls: limits.max_concurrent_calls.max(1),
        timeout: limits.callback_timeout,
    };
    let run = store.run_concurrent(async |accessor| serving.run(accessor).await);
    match progress.clocked(run).await {
        Ok(outcome) => outcome,
        Err(source) => Err(GuestError::Trap { during: DURING, source }),
    }
}

struct Serving<'a> {
    guest: &'a Messaging,
    mailbox: &'a Mailbox,
    progress: &'a Progress,
    max_calls: usize,
    timeout: Duration,
}

impl Serving<'_> {
    async fn run(&self, accessor: &Accessor<State>) -> Result<(), GuestError> {
        let mut calls = FuturesUnordered::new();
        let mut is_stopping = false;
        while !(is_stopping && calls.is_empty()) {
            self.mailbox.set_busy(!calls.is_empty());
            tokio::select! {
                biased;
                Some(outcome) = calls.next() => {
                    // Only a call that ends is progress: one that spins lets no
                    // other end.
                    self.progress.advance();
                    outcome?;
                }
                wait = self.mailbox.wait(None), if !is_stopping && calls.len() < self.max_calls => {
                    is_stopping = wait == Wait::Stopped;
                    // Events are for the log, which has them; nothing else comes.
                    if let Some(Delivery::Message(incoming)) = self.mailbox.take() {
                        self.mailbox.count_handled(1);
                        if calls.is_empty() {
                            self.progress.advance();
                        }
                        calls.push(self.call(accessor, incoming));
                    }
                }
            }
        }
        Ok(())
    }

    async fn call(&self, accessor: &Accessor<State>, incoming: Incoming) -> Result<(), GuestError> {
        let trap = |source| GuestError::Trap { during: DURING, source };
        let message = accessor.with(|mut access| {
            let message = &incoming.message;
            let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(BrokerMessage {
                subject: lossy(message.subject()),
                body: StreamReader::new(&mut access, message.payload().to_vec())?,
                reply_to: message.reply_to().map(lossy),
            })
        });
        let message = message.map_err(trap)?;
        let hand = accessor.with(|mut access| access.get().take_in_hand(incoming));
        let handler = self.guest.wasmcloud_messaging_handler();
        let call = handler.call_handle_message(accessor, message);
        let outcome = match time::timeout(self.timeout, call).await {
            Ok(outcome) => outcome.map_err(trap)?,
            Err(_) => return Err(GuestError::Timeout { during: DURING, limit: self.timeout }),
        };
        accessor.with(|mut access| {
            let error = outcome.err().map(|error| HandlerError::from(error).to_string());
            access.get().handled(hand, error.as_deref());
        });
        Ok(())
    }
}
