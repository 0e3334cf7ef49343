//! `wasmcloud:messaging@0.3.0` in its second meaning: asynchronous functions, and
//! bodies that are streams. A handler is entered again while earlier calls wait.

mod body;
mod serve;

use std::time::Duration;

use wasmtime::component::{Accessor, HasSelf, Linker, StreamReader};

use self::body::{BodyError, close, collect};
pub(super) use self::serve::serve;
use super::HandlerError;
use super::outward::{service_error, text};
use crate::connection::Departure;
use crate::plugin::loading::bindings::requester::RequestOptions;
use crate::plugin::loading::bindings::types::Error as OwnError;
use crate::plugin::loading::bindings_foreign::wasmcloud_streams::wasmcloud::messaging::consumer;
use crate::plugin::loading::bindings_foreign::wasmcloud_streams::wasmcloud::messaging::types::{
    BrokerMessage, Error, HandleMessageError,
};
use crate::plugin::state::State;
use crate::protocol::Headers;

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    consumer::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl From<OwnError> for Error {
    fn from(error: OwnError) -> Self {
        match error {
            OwnError::SubjectInvalid(_) => Self::SubjectInvalid,
            OwnError::PermissionDenied(_) => Self::AccessDenied,
            OwnError::Timeout => Self::Timeout,
            OwnError::PayloadTooLarge(_) => Self::MessageTooLarge,
            OwnError::QuotaExceeded(_) => Self::QuotaExceeded,
            OwnError::ConnectFailed(_)
            | OwnError::ConnectionLost
            | OwnError::BufferFull
            | OwnError::Closed
            | OwnError::UnknownClient(_) => Self::BrokerUnavailable,
            other => Self::Other(text(other)),
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::MessageTooLarge,
            BodyError::OverBudget => Self::QuotaExceeded,
        }
    }
}

impl From<HandleMessageError> for HandlerError {
    fn from(error: HandleMessageError) -> Self {
        match error {
            HandleMessageError::Reject => Self::Rejected,
            HandleMessageError::Retry => Self::Retry,
            HandleMessageError::Other(reason) => Self::Failed(reason),
        }
    }
}

impl consumer::Host for State {}

impl consumer::HostWithStore<State> for HasSelf<State> {
    async fn request(
        store: &Accessor<State, Self>,
        subject: String,
        body: StreamReader<u8>,
        timeout_ms: Option<u32>,
    ) -> Result<BrokerMessage, Error> {
        let mut slot = store.with(|mut access| access.get().foreign.requests.open());
        if slot.set(1).is_err() {
            close(store, body);
            return Err(Error::QuotaExceeded);
        }
        let (payload, _charge) = collect(store, body).await?;
        let options =
            RequestOptions { timeout_ms, headers: Vec::new(), max_replies: 1, stall_ms: None };
        let asking = store.with(|mut access| {
            let state = access.get();
            state.asking(state.subscribed_connection()?, subject, payload, options)
        })?;
        // Others of this component's calls may be about to ask, too.
        let answer = asking.ask(Departure::Soon).await?.pop();
        let answer = answer.ok_or_else(|| Error::Other("no answer came".to_owned()))?;
        if let Some(error) = service_error(&answer) {
            return Err(Error::Other(error));
        }
        store.with(|access| {
            let body = StreamReader::new(access, answer.payload);
            let body = body.map_err(|error| Error::Other(error.to_string()))?;
            Ok(BrokerMessage { subject: answer.subject, body, reply_to: answer.reply_to })
        })
    }

    async fn publish(store: &Accessor<State, Self>, message: BrokerMessage) -> Result<(), Error> {
        /// How long a broker may take to confirm.
        const TAKEN_TIMEOUT: Duration = Duration::from_secs(5);
        let BrokerMessage { subject, body, reply_to } = message;
        let (payload, _charge) = collect(store, body).await?;
        let outgoing = store.with(|mut access| {
            let state = access.get();
            let client = state.subscribed_connection()?;
            state.outgoing(client, &subject, reply_to.as_deref(), &Headers::new(), &payload)
        })?;
        outgoing.send().await?;
        store.with(|mut access| access.get().answered(&subject));
        // Success is to say that the broker has it.
        outgoing.client().flush(TAKEN_TIMEOUT).await.map_err(|error| OwnError::from(error).into())
    }
}
