//! `wasmcloud:messaging@0.2.0`: plain records, texts for errors, no headers.

use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use super::HandlerError;
use super::outward::{service_error, text};
use crate::plugin::loading::bindings_foreign::wasmcloud_0_2::Messaging;
use crate::plugin::loading::bindings_foreign::wasmcloud_0_2::wasmcloud::messaging::types::BrokerMessage;
use crate::plugin::loading::bindings_foreign::wasmcloud_0_2::wasmcloud::messaging::{
    consumer, types,
};
use crate::plugin::state::State;
use crate::protocol::{Headers, Message};

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Messaging::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// Calls the handler.
pub(super) async fn handle(
    guest: &Messaging,
    store: &mut Store<State>,
    message: &Message,
) -> wasmtime::Result<Result<(), HandlerError>> {
    let message = BrokerMessage {
        subject: lossy(message.subject()),
        body: message.payload().to_vec(),
        reply_to: message.reply_to().map(lossy),
    };
    let outcome = guest.wasmcloud_messaging_handler().call_handle_message(store, &message).await?;
    Ok(outcome.map_err(HandlerError::Failed))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl types::Host for State {}

impl consumer::Host for State {
    async fn request(
        &mut self,
        subject: String,
        body: Vec<u8>,
        timeout_ms: u32,
    ) -> Result<BrokerMessage, String> {
        let answers = self.ask(subject, Vec::new(), body, Some(timeout_ms), 1).await;
        let answer = answers.map_err(text)?.pop().ok_or("no answer came")?;
        match service_error(&answer) {
            Some(error) => Err(error),
            None => Ok(BrokerMessage {
                subject: answer.subject,
                body: answer.payload,
                reply_to: answer.reply_to,
            }),
        }
    }

    async fn publish(&mut self, message: BrokerMessage) -> Result<(), String> {
        let BrokerMessage { subject, body, reply_to } = message;
        self.send(&subject, reply_to.as_deref(), &Headers::new(), &body).await.map_err(text)
    }
}
