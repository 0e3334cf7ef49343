//! A real server in place of the broker: the test is a second client of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::journal::Journal;
use super::message::Message;
use crate::connection::{
    Answer, Arrival, Client, ClientError, ConnectError, Connecting, ConnectionOptions, Connector,
    Receiver, Reception, ServerAddress, Stream,
};
use crate::protocol::{self, EndReason, SessionError, Subject, SubjectPattern};

/// What may be under way in one direction, in bytes.
const PIPE_BYTES: usize = 64 << 10;

/// How long the server may take to answer.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Server {
    client: Client,
    relay: Relay,
}

impl Server {
    /// Connects, and lets everything that others publish go into the journal.
    pub(super) async fn connect(
        address: ServerAddress,
        journal: Journal,
    ) -> Result<Self, ConnectError> {
        let mut options = ConnectionOptions::new(vec![address], "plugin-test");
        // What the test itself publishes is no news.
        options.no_echo = true;
        let client = Client::connect(options).await?;
        if let Ok(everything) = SubjectPattern::new(">") {
            // A connection that has just begun takes it.
            let _ = client.subscribe(everything, None, Arc::new(Observed(journal)), 0);
        }
        let _ = client.flush(FLUSH_TIMEOUT).await;
        Ok(Self { client, relay: Relay::default() })
    }

    /// How the plugin is to connect.
    pub(super) fn relay(&self) -> &Relay {
        &self.relay
    }

    pub(super) fn publish(&self, message: &protocol::Message) -> Result<(), SessionError> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let (Ok(subject), reply_to) = (
            Subject::new(text(message.subject())),
            message.reply_to().and_then(|subject| Subject::new(text(subject)).ok()),
        ) else {
            return Ok(());
        };
        self.client.publish(subject, reply_to, message.header_block(), message.payload())
    }

    /// Waits until the server has handed out what it has.
    pub(super) async fn flush(&self) -> Result<(), ClientError> {
        self.client.flush(FLUSH_TIMEOUT).await
    }
}

struct Observed(Journal);

impl Receiver for Observed {
    fn messages(&self, arrivals: &mut dyn Iterator<Item = Arrival>) -> Reception {
        arrivals.for_each(|arrival| self.0.add(Message::from(&arrival.message)));
        Reception::default()
    }

    fn subscription_ended(&self, _: u64, _: EndReason) {}

    fn reply(&self, _: u64, _: Answer, _: bool) {}
}

/// Connects the plugin with the server, and can be interrupted.
#[derive(Clone, Default)]
pub(super) struct Relay(Arc<Interruption>);

#[derive(Default)]
struct Interruption {
    is_down: AtomicBool,
    goes_down: Notify,
}

impl Relay {
    pub(super) fn go_down(&self) {
        self.0.is_down.store(true, Ordering::Relaxed);
        self.0.goes_down.notify_waiters();
    }

    pub(super) fn come_up(&self) {
        self.0.is_down.store(false, Ordering::Relaxed);
    }
}

impl Connector for Relay {
    fn connect(&self, server: &ServerAddress) -> Connecting {
        let interruption = Arc::clone(&self.0);
        let place = (server.host().to_owned(), server.port());
        Box::pin(async move {
            if interruption.is_down.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let mut socket = TcpStream::connect(place).await?;
            socket.set_nodelay(true)?;
            let (theirs, mut ours) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(async move {
                tokio::select! {
                    // Either way the plugin's connection is over.
                    _ = tokio::io::copy_bidirectional(&mut socket, &mut ours) => {}
                    () = interruption.goes_down.notified() => {}
                }
            });
            Ok(Box::new(theirs) as Box<dyn Stream>)
        })
    }
}
