//! What a plugin has published, for a test to look at and to answer.

use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use super::message::{Excerpt, Message};
use super::stage::Stage;
use crate::connection::Client;
use crate::protocol;

/// A message that a plugin has published, as it was expected.
pub struct Published {
    stage: Rc<Stage>,
    message: Message,
}

/// What a server says in place of an answer if nobody is there to give one.
const NO_RESPONDERS: &[u8] = b"NATS/1.0 503\r\n\r\n";

/// Requests wait at most for so long, by the plugin's clock.
const LONGEST_REQUEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Published {
    pub(super) fn new(stage: Rc<Stage>, message: Message) -> Self {
        Self { stage, message }
    }

    /// Its payload is this.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn payload(self, expected: impl AsRef<[u8]>) -> Self {
        let (expected, actual) = (expected.as_ref(), self.message.payload());
        if expected != actual {
            self.stage.fail(&format!(
                "the message to `{}` has another payload:\n  expected \"{}\"\n  it has   \"{}\"",
                self.message.subject(),
                Excerpt(expected),
                Excerpt(actual)
            ));
        }
        self
    }

    /// It has a header of this name with this value.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        if !self.message.headers().any(|(known, has)| known == name && has == value) {
            self.stage.fail(&format!(
                "expected the header {name}: {} in {}",
                Excerpt(value),
                self.message
            ));
        }
        self
    }

    /// It asks for no answer.
    ///
    /// # Panics
    /// If it does.
    #[track_caller]
    pub fn no_reply_to(self) -> Self {
        if self.message.reply_to().is_some() {
            self.stage.fail(&format!("expected that no answer is asked for in {}", self.message));
        }
        self
    }

    /// The message itself.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// A message that a plugin has published and that asks for an answer: a request.
pub struct Request {
    published: Published,
    reply_to: String,
}

impl Request {
    pub(super) fn new(stage: Rc<Stage>, message: Message) -> Self {
        let reply_to = message.reply_to().unwrap_or_default().to_owned();
        Self { published: Published::new(stage, message), reply_to }
    }

    /// Its payload is this.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn payload(mut self, expected: impl AsRef<[u8]>) -> Self {
        self.published = self.published.payload(expected);
        self
    }

    /// It has a header of this name with this value.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.published = self.published.header(name, value);
        self
    }

    /// Answers it. One that asks for many answers may be answered again.
    #[track_caller]
    pub fn answer(&self, payload: impl AsRef<[u8]>) {
        self.answer_with([], payload);
    }

    /// Answers it with headers.
    ///
    /// # Panics
    /// If a header is none that can be sent.
    #[track_caller]
    pub fn answer_with<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        payload: impl AsRef<[u8]>,
    ) {
        let mut answer = Message::new(&self.reply_to).with_payload(payload);
        for (name, value) in headers {
            answer = answer.with_header(name, value);
        }
        self.stage.publish(&answer);
    }

    /// Tells the plugin what a server says if nobody listens to the subject.
    pub fn no_responders(&self) {
        let message = protocol::Message::new(&self.reply_to, None, NO_RESPONDERS, &[]);
        self.stage.publish_encoded(&message);
    }

    /// Lets time pass until the request has waited for as long as it does.
    ///
    /// # Panics
    /// If it does not wait any more.
    #[track_caller]
    pub fn time_out(&self) {
        let stage = &self.stage;
        let waits = || {
            let mut clients = stage.clients().into_iter();
            clients.any(|client: Client| client.awaits_answer_at(&self.reply_to))
        };
        if !waits() {
            let message = &self.message;
            stage.fail(&format!("nothing waits for the answer to {message}; it can't time out"));
        }
        stage.thread.pass(LONGEST_REQUEST, || !waits());
        stage.settle();
    }
}

impl Deref for Request {
    type Target = Published;

    fn deref(&self) -> &Published {
        &self.published
    }
}
