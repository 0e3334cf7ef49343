//! What callbacks are told, and what they tell.

use std::fmt::Display;

use crate::{Error, Message};

/// One call of [`request_many`](crate::NatsClient::request_many)'s callback.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An answer.
    Message(Message),
    /// There will be no more, and the request ended normally.
    End,
    /// There will be no more, for this reason.
    Failed(Error),
}

/// What `start` and the callbacks of subscriptions may answer: nothing, or a
/// `Result` whose error has a text.
pub trait Outcome {
    /// The error's text, if it is one.
    fn into_result(self) -> Result<(), String>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
