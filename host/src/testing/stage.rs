//! Everything there is in one test: the host with the plugin, what plays the
//! server, and what is known of both.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::broker::Broker;
use super::failures::Failures;
use super::journal::Journal;
use super::log::Log;
use super::message::Message;
use super::server::Server;
use super::thread::Thread;
use crate::connection::Client;
use crate::plugin::{Host, Plugin, StartError};
use crate::protocol::SubjectPattern;
use crate::time::ManualClock;

/// How long a real server and the plugin may take for something that is expected.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long nothing must come from a real server if nothing is expected.
const QUIET: Duration = Duration::from_millis(100);

pub(super) struct Stage {
    pub(super) name: String,
    // Ends before the thread that it runs on.
    pub(super) host: Host,
    pub(super) thread: Thread,
    pub(super) side: Side,
    pub(super) journal: Journal,
    pub(super) failures: Failures,
    pub(super) log: Log,
    pub(super) clock: Option<ManualClock>,
    pub(super) begin: Option<Instant>,
}

pub(super) type Starting = JoinHandle<Result<Plugin, StartError>>;

/// What plays the server.
pub(super) enum Side {
    Broker(Broker),
    Server(Server),
}

impl Stage {
    pub(super) fn plugin(&self) -> Option<Plugin> {
        self.host.plugin(&self.name)
    }

    /// The plugin's connections.
    pub(super) fn clients(&self) -> Vec<Client> {
        self.plugin().map(|plugin| plugin.clients()).unwrap_or_default()
    }

    /// Runs the plugin as far as it gets by itself.
    pub(super) fn settle(&self) {
        match &self.side {
            Side::Broker(_) => self.thread.settle(),
            Side::Server(server) => self.thread.run(async {
                for client in self.clients() {
                    // One that is interrupted has nothing under way.
                    let _ = client.flush(PATIENCE).await;
                }
                let _ = server.flush().await;
            }),
        }
    }

    /// Waits for the end of `start`. None: it still runs, since it waits for something.
    pub(super) fn await_start(&self, mut starting: Starting) -> Option<Result<Plugin, StartError>> {
        let outcome = match &self.side {
            Side::Broker(_) => {
                self.thread.settle();
                starting.is_finished().then(|| self.thread.run(starting))
            }
            Side::Server(_) => self.thread.run(async {
                tokio::select! {
                    outcome = &mut starting => Some(outcome),
                    () = self.journal.grown() => None,
                    () = tokio::time::sleep(PATIENCE) => None,
                }
            }),
        };
        outcome.map(|outcome| outcome.unwrap_or(Err(StartError::HostGone)))
    }

    /// Publishes a message for the plugin, and lets it work on that.
    #[track_caller]
    pub(super) fn publish(&self, message: &Message) {
        let encoded = match message.encode() {
            Ok(encoded) => encoded,
            Err(reason) => self.fail(&format!("can't deliver {message}: {reason}")),
        };
        self.publish_encoded(&encoded);
    }

    pub(super) fn publish_encoded(&self, message: &crate::protocol::Message) {
        match &self.side {
            Side::Broker(broker) => broker.publish(message),
            Side::Server(server) => {
                if let Err(error) = server.publish(message) {
                    self.fail(&format!("can't publish: {error}"));
                }
            }
        }
        self.settle();
    }

    /// The first message to such a subject, if one comes, that nobody has expected yet.
    #[track_caller]
    pub(super) fn expect(&self, subject: &str, fits: impl Fn(&Message) -> bool) -> Option<Message> {
        let Ok(pattern) = SubjectPattern::new(subject) else {
            self.fail(&format!("{subject:?} is no subject, nor a pattern of subjects"));
        };
        self.settle();
        let found = self.journal.expect(pattern, &fits);
        if found.is_some() || matches!(self.side, Side::Broker(_)) {
            return found;
        }
        self.thread.run(async {
            let come = async {
                loop {
                    if let Some(message) = self.journal.expect(pattern, &fits) {
                        return message;
                    }
                    self.journal.grown().await;
                }
            };
            tokio::time::timeout(PATIENCE, come).await.ok()
        })
    }

    /// Gives what is still under way the time to come.
    pub(super) fn fall_silent(&self) {
        self.settle();
        if let Side::Server(_) = self.side {
            self.thread.run(async { tokio::time::sleep(QUIET).await });
            self.settle();
        }
    }

    /// Ends the test, with everything that is known.
    #[expect(clippy::panic, reason = "that is how a test fails")]
    #[track_caller]
    pub(super) fn fail(&self, what: &str) -> ! {
        panic!("{what}\n{}", self.report());
    }

    fn report(&self) -> String {
        let marked =
            |text: String, expected: bool| format!("{} {text}", if expected { "✓" } else { "•" });
        let published = self.journal.all().into_iter();
        let published = published.map(|(message, expected)| marked(message.to_string(), expected));
        let failures = self.failures.all().into_iter();
        let failures = failures.map(|(text, expected)| marked(text, expected));
        let subscriptions = self.clients();
        let subscriptions = subscriptions.iter().flat_map(Client::subscriptions).map(
            |(subject, group)| match group {
                Some(group) => format!("{subject}, queue group {group}"),
                None => subject,
            },
        );
        let mut text = String::new();
        section(&mut text, "published (✓ expected)", published);
        section(&mut text, "failures (✓ expected)", failures);
        section(&mut text, "refused", self.failures.refusals());
        section(&mut text, "subscriptions", subscriptions);
        section(&mut text, "log", self.log.all());
        if let (Some(clock), Some(begin)) = (&self.clock, self.begin) {
            let passed = clock.now().saturating_duration_since(begin);
            // Writing into a text does not fail.
            let _ = writeln!(text, "time passed: {passed:?}");
        }
        text
    }
}

/// More lines would hide the others.
const MAX_LINES: usize = 50;

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<_> = lines.into_iter().collect();
    if lines.is_empty() {
        let _ = writeln!(text, "{title}: nothing");
        return;
    }
    let _ = writeln!(text, "{title}:");
    let left_out = lines.len().saturating_sub(MAX_LINES);
    if left_out > 0 {
        let _ = writeln!(text, "  … {left_out} before these");
    }
    for line in lines.iter().skip(left_out) {
        let _ = writeln!(text, "  {}", line.replace('\n', "\n    "));
    }
}
