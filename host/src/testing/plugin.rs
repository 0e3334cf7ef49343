//! A plugin that is being tested.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::message::Message;
use super::published::{Published, Request};
use super::stage::{PATIENCE, Side, Stage};
use crate::connection::{Client, ConnectionStatus};
use crate::plugin::PluginInfo;
use crate::policy::{Learner, Policy};
use crate::protocol::SubjectPattern;

/// A plugin that runs, its server, and its clock, in the hands of a test.
///
/// Each method lets the plugin run until there is nothing left for it to do but
/// wait. Nothing else happens in between: the plugin runs on the thread of the test.
pub struct PluginUnderTest {
    stage: Rc<Stage>,
    learner: Option<Arc<Learner>>,
}

/// What happens to the connections of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// They break, and there is no server to connect to.
    Disconnected,
    /// There is a server again; time passes until the plugin has found it.
    Reconnected,
    /// The server says that it is going to shut down.
    LameDuck,
    /// The server tells of others of its cluster, as `host:port`.
    Discovered(Vec<String>),
    /// The server refuses what is published to this subject.
    PublishRefused(String),
    /// The server refuses the subscription to this subject.
    SubscriptionRefused(String),
    /// The server reports an error, in these words.
    ServerError(String),
}

/// A subscription of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Subject or pattern.
    pub subject: String,
    /// The group in which it shares the messages.
    pub queue_group: Option<String>,
}

/// How long a plugin may take to find a server again, by its own clock.
const RECONNECT_TIME: Duration = Duration::from_secs(60);

/// How long a plugin may take to stop, by its own clock.
const STOP_TIME: Duration = Duration::from_secs(30);

impl PluginUnderTest {
    pub(super) fn new(stage: Rc<Stage>, learner: Option<Arc<Learner>>) -> Self {
        Self { stage, learner }
    }

    /// Publishes a message to which the plugin has subscribed.
    ///
    /// # Panics
    /// If it has not, or the message is none that can be sent.
    #[track_caller]
    pub fn deliver(&self, message: Message) {
        self.stage.settle();
        let subject = message.subject();
        let takes = |(pattern, _): &(String, Option<String>)| {
            SubjectPattern::new(pattern).is_ok_and(|pattern| pattern.matches(subject))
        };
        let has_taker = self.stage.clients().iter().any(|client| {
            client.subscriptions().iter().any(takes) || client.awaits_answer_at(subject)
        });
        if !has_taker {
            self.stage.fail(&format!("the plugin has not subscribed to `{subject}`"));
        }
        self.stage.publish(&message);
    }

    /// Takes the first message that it has published to this subject, or to one that
    /// fits this pattern, and that no other expectation has taken.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn expect_publish(&self, subject: &str) -> Published {
        match self.stage.expect(subject, |_| true) {
            Some(message) => Published::new(Rc::clone(&self.stage), message),
            None => self.stage.fail(&format!("expected a message to `{subject}`, and none came")),
        }
    }

    /// The same for a message that asks for an answer.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn expect_request(&self, subject: &str) -> Request {
        match self.stage.expect(subject, |message| message.reply_to().is_some()) {
            Some(message) => Request::new(Rc::clone(&self.stage), message),
            None => self.stage.fail(&format!("expected a request to `{subject}`, and none came")),
        }
    }

    /// Everything that it has published was expected, and nothing has failed that was
    /// not.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn expect_nothing(&self) {
        self.stage.fall_silent();
        if self.stage.journal.has_unexpected() {
            self.stage.fail("the plugin has published what was not expected");
        }
        self.check_failures();
    }

    /// Takes the first failure that no other expectation has taken: a trap, a callback
    /// that took too long, or the words in which a callback said that it has failed.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn expect_failure(&self) -> String {
        self.stage.fall_silent();
        match self.stage.failures.expect() {
            Some(failure) => failure,
            None => self.stage.fail("expected that something fails, and nothing has"),
        }
    }

    #[track_caller]
    fn check_failures(&self) {
        if self.stage.failures.has_unexpected() {
            self.stage.fail("the plugin has failed");
        }
    }

    /// Lets something happen to its connections.
    ///
    /// # Panics
    /// If a real server is to do what it does only by itself, or the plugin does not
    /// connect again.
    #[track_caller]
    pub fn raise(&self, event: Event) {
        let stage = &*self.stage;
        match (&stage.side, event) {
            (Side::Broker(broker), Event::Disconnected) => broker.go_down(),
            (Side::Server(server), Event::Disconnected) => {
                server.relay().go_down();
                self.pass_until(PATIENCE, "lost its server", || !is_connected(stage));
            }
            (side, Event::Reconnected) => {
                match side {
                    Side::Broker(broker) => broker.come_up(),
                    Side::Server(server) => server.relay().come_up(),
                }
                self.pass_until(RECONNECT_TIME, "found its server", || is_connected(stage));
            }
            (Side::Broker(broker), Event::LameDuck) => broker.inform(&json!({ "ldm": true })),
            (Side::Broker(broker), Event::Discovered(servers)) => {
                broker.inform(&json!({ "connect_urls": servers }));
            }
            (Side::Broker(broker), Event::PublishRefused(subject)) => {
                broker.say(&format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'"));
            }
            (Side::Broker(broker), Event::SubscriptionRefused(subject)) => {
                let what = format!("Permissions Violation for Subscription to \"{subject}\"");
                broker.say(&format!("-ERR '{what}'"));
            }
            (Side::Broker(broker), Event::ServerError(text)) => {
                broker.say(&format!("-ERR '{}'", text.replace(['\r', '\n', '\''], " ")));
            }
            (Side::Server(_), event) => {
                stage.fail(&format!("a real server can't be told to do this: {event:?}"));
            }
        }
        stage.settle();
    }

    #[track_caller]
    fn pass_until(&self, longest: Duration, what: &str, is_so: impl Fn() -> bool) {
        if !self.stage.thread.pass(longest, is_so) {
            self.stage.fail(&format!("the plugin has not {what} within {longest:?}"));
        }
    }

    /// Lets this much time pass. What waits for a moment in it happens at that moment:
    /// timers, time-outs of requests, pauses before a connection is tried again, and
    /// what the plugin itself waits for. With a real server, it takes that long.
    pub fn advance(&self, time: Duration) {
        self.stage.thread.pass(time, || false);
        self.stage.settle();
    }

    /// What it has subscribed to, in the order in which it has.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.stage.settle();
        let all = self.stage.clients();
        let all = all.iter().flat_map(Client::subscriptions);
        all.map(|(subject, queue_group)| Subscription { subject, queue_group }).collect()
    }

    /// The lines that it has printed or logged.
    pub fn logs(&self) -> Vec<String> {
        self.stage.settle();
        self.stage.log.of_guest()
    }

    /// What its policy and its limits have refused, in words.
    pub fn refusals(&self) -> Vec<String> {
        self.stage.settle();
        self.stage.failures.refusals()
    }

    /// The memory that it has, in bytes: that of all its instances.
    pub fn memory_bytes(&self) -> usize {
        self.stage.settle();
        self.info().map_or(0, |info| info.memory_bytes)
    }

    /// What its host knows of it: status, counts, limits. None before it has begun to
    /// start.
    pub fn info(&self) -> Option<PluginInfo> {
        self.stage.plugin().map(|plugin| plugin.info())
    }

    /// The least policy that would have allowed what it has done so far, as a part of a
    /// manifest.
    ///
    /// # Panics
    /// If the test has given it a policy.
    #[track_caller]
    pub fn learned_policy(&self) -> String {
        self.learner().policy_of(&self.stage.name)
    }

    /// What it has done so far needs no more than this policy.
    ///
    /// # Panics
    /// If it does, or if the test has given it a policy, which then was enforced.
    #[track_caller]
    pub fn assert_needs_no_more_than(&self, policy: &Policy) {
        let beyond = self.learner().beyond(policy);
        if !beyond.is_empty() {
            self.stage.fail(&format!("the policy does not allow: {}", beyond.join(", ")));
        }
    }

    #[track_caller]
    fn learner(&self) -> &Learner {
        self.stage.settle();
        match &self.learner {
            Some(learner) => learner,
            None => self.stage.fail("nothing is learned where a policy is given"),
        }
    }

    /// Stops it cleanly: its subscriptions end, it handles what was delivered, and its
    /// `stop` runs. What it publishes meanwhile can be expected afterwards.
    ///
    /// # Panics
    /// If it does not stop in time, or has failed where that was not expected.
    #[track_caller]
    pub fn stop(&self) {
        let Some(plugin) = self.stage.plugin() else { return };
        let stopping =
            self.stage.thread.runtime().spawn(async move { plugin.drain(STOP_TIME).await });
        let is_over = self.stage.thread.pass(STOP_TIME, || stopping.is_finished());
        if !is_over || !self.stage.thread.run(stopping).unwrap_or(false) {
            self.stage.fail(&format!("the plugin has not stopped within {STOP_TIME:?}"));
        }
        self.check_failures();
    }
}

fn is_connected(stage: &Stage) -> bool {
    let clients = stage.clients();
    !clients.is_empty()
        && clients.iter().all(|client| client.status() == ConnectionStatus::Connected)
}
