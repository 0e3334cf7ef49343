//! What may be said about a connection, a publish or a request beyond its
//! subject and payload.

use std::time::Duration;

use crate::bindings::simple_nats::client::{client, requester};
use crate::{Error, Headers, NatsClient};

/// How to connect; made by [`NatsClient::builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClientBuilder {
    name: Option<String>,
    inbox_prefix: Option<String>,
    no_echo: bool,
}

impl ClientBuilder {
    /// The connection's name, which the server shows and inbox subjects contain.
    /// Without one, the plugin's own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Answers to requests arrive on subjects that begin so.
    pub fn inbox_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.inbox_prefix = Some(prefix.into());
        self
    }

    /// Keeps what this connection publishes from its own subscriptions.
    pub fn no_echo(mut self) -> Self {
        self.no_echo = true;
        self
    }

    /// Connects to a server (`host`, `host:port`, `nats://…`), or, with `None`,
    /// takes the connection that the host was given.
    pub fn connect<'a>(self, server: impl Into<Option<&'a str>>) -> Result<NatsClient, Error> {
        let options = client::ConnectOptions {
            client_name: self.name,
            inbox_prefix: self.inbox_prefix,
            no_echo: self.no_echo,
        };
        Ok(NatsClient::from_id(client::connect(server.into(), &options)?))
    }
}

/// What else a message carries.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PublishOptions {
    pub(crate) reply_to: Option<String>,
    pub(crate) headers: Headers,
}

impl PublishOptions {
    /// Nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where answers are expected.
    pub fn reply_to(mut self, subject: impl Into<String>) -> Self {
        self.reply_to = Some(subject.into());
        self
    }

    /// These header fields, in place of any set before.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// One header field more.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }
}

/// How long to wait for answers, for how many, and what the request carries.
///
/// Where nothing but a time-out is to be said, a [`Duration`] does.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RequestOptions {
    timeout: Option<Duration>,
    headers: Headers,
    max_replies: u32,
    stall: Option<Duration>,
}

impl RequestOptions {
    /// The host's time-out, no headers, any number of answers where many are
    /// asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait for the first answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// These header fields, in place of any set before.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// One header field more.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Ends a request for many answers after this many; 0 for no such limit.
    pub fn max_replies(mut self, count: u32) -> Self {
        self.max_replies = count;
        self
    }

    /// Ends a request for many answers when none has come for this long since
    /// the last.
    pub fn stall(mut self, silence: Duration) -> Self {
        self.stall = Some(silence);
        self
    }

    /// For one answer, whatever was said of many.
    pub(crate) fn one(self) -> requester::RequestOptions {
        Self { max_replies: 1, stall: None, ..self }.many()
    }

    pub(crate) fn many(self) -> requester::RequestOptions {
        requester::RequestOptions {
            timeout_ms: self.timeout.map(millis),
            headers: self.headers.into_fields(),
            max_replies: self.max_replies,
            stall_ms: self.stall.map(millis),
        }
    }
}

impl From<Duration> for RequestOptions {
    fn from(timeout: Duration) -> Self {
        Self::new().timeout(timeout)
    }
}

/// Rounds up, so that a short time does not become none.
pub(crate) fn millis(duration: Duration) -> u32 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_up_and_stop_at_the_largest() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), u32::MAX);
    }

    #[test]
    fn request_for_one_answer_asks_for_one() {
        let options = RequestOptions::new().max_replies(5).stall(Duration::from_secs(1)).one();
        assert_eq!((options.max_replies, options.stall_ms), (1, None));
    }
}
