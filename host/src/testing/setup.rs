//! How a plugin is to be tested.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::broker::Broker;
use super::failures::Failures;
use super::journal::Journal;
use super::log::Log;
use super::plugin::PluginUnderTest;
use super::server::Server;
use super::stage::{Side, Stage, Starting};
use super::thread::Thread;
use crate::connection::{ConnectionOptions, Connector, ServerAddress};
use crate::plugin::{ClientName, ComponentSource, Host, HostOptions, PluginSettings};
use crate::policy::{Learner, Policy};
use crate::time::ManualClock;

/// Where the scripted server is said to be.
const SCRIPTED_SERVER: &str = "nats.test:4222";

/// What the clock shows at the beginning unless a test says otherwise, in seconds
/// since 1970: the first of January 2030.
const BEGIN: u64 = 1_893_456_000;

/// A test of one plugin, as it is to begin. [`start`](Self::start) begins it.
///
/// Unless told otherwise, the plugin may do everything, and what it does is
/// learned; its server is a scripted one; its clock stands still.
#[must_use]
pub struct PluginTest {
    settings: PluginSettings,
    learner: Option<Arc<Learner>>,
    server: Option<String>,
    begin: Duration,
}

impl PluginTest {
    /// A test of the component in this file.
    pub fn new(component: impl Into<PathBuf>) -> Self {
        let path = component.into();
        let name = path.file_stem().map_or("plugin".into(), |name| name.to_string_lossy());
        let name = name.replace(['.', '*', '>', ' '], "-");
        let learner = Arc::new(Learner::default());
        let mut settings = PluginSettings::new(&name, ComponentSource::File(path));
        // A generated one is the plugin's alone, and so is this one in its test: then
        // its inboxes have no part that can't be foretold.
        settings.client_name = ClientName { name, is_generated: true };
        settings.learner = Some(Arc::clone(&learner));
        settings.random_seed = Some(1);
        // On another thread it would go on while the test takes the plugin for idle.
        settings.files_block = true;
        Self { settings, learner: Some(learner), server: None, begin: Duration::from_secs(BEGIN) }
    }

    /// It may do this and nothing else.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self.settings.learner = None;
        self.learner = None;
        self
    }

    /// For a component that can't subscribe by itself: one that exports a handler
    /// that others have defined. `SUBJECT` or `SUBJECT|QUEUE-GROUP`.
    ///
    /// # Panics
    /// If it is neither.
    #[track_caller]
    pub fn subscribe(mut self, subscription: &str) -> Self {
        match subscription.parse() {
            Ok(subscription) => self.settings.subscriptions.push(subscription),
            Err(error) => give_up(&format!("can't subscribe to {subscription:?}: {error}")),
        }
        self
    }

    /// An environment variable that it sees.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.settings.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it gets for a key that it asks `wasi:config/store` for.
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.settings.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Changes anything else of what it is run with, such as its limits.
    pub fn with(mut self, change: impl FnOnce(&mut PluginSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// What its random numbers follow from. The same in all tests unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.random_seed = Some(seed);
        self
    }

    /// What its clock shows when the test begins: if nothing is said, midnight of
    /// the first of January 2030, in UTC.
    pub fn begin_at(mut self, time: SystemTime) -> Self {
        self.begin = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self
    }

    /// Runs the test against a real server, which must have no other clients. The
    /// test is a client of it; the clock is the system's, so that
    /// [`advance`](PluginUnderTest::advance) takes as long as it says.
    pub fn against(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Starts the plugin, and runs it as far as it gets by itself.
    ///
    /// # Panics
    /// If it does not load, or `start` fails.
    #[track_caller]
    pub fn start(self) -> PluginUnderTest {
        match self.begin() {
            Ok((stage, starting, learner)) => {
                if let Some(Err(error)) = stage.await_start(starting) {
                    stage.fail(&format!("the plugin did not start: {}", chain(&error)));
                }
                PluginUnderTest::new(Rc::new(stage), learner)
            }
            Err(reason) => give_up(&reason),
        }
    }

    /// Starts a plugin that is not to start; answers why it does not.
    ///
    /// # Panics
    /// If it does.
    #[track_caller]
    pub fn expect_no_start(self) -> String {
        match self.begin() {
            Ok((stage, starting, _)) => match stage.await_start(starting) {
                Some(Err(error)) => chain(&error),
                Some(Ok(_)) => stage.fail("expected that the plugin does not start, and it has"),
                None => stage.fail("expected that the plugin does not start, and it still waits"),
            },
            Err(reason) => reason,
        }
    }

    /// The error is why there is nothing that could start.
    fn begin(self) -> Result<(Stage, Starting, Option<Arc<Learner>>), String> {
        let Self { settings, learner, server, begin } = self;
        let clock = server.is_none().then(|| ManualClock::new(begin));
        let (journal, failures, log) = (Journal::default(), Failures::default(), Log::new());
        let thread = Thread::new(clock.clone(), log.clone())
            .map_err(|error| format!("can't set up a runtime: {error}"))?;
        fastrand::seed(settings.random_seed.unwrap_or_default());
        let address: ServerAddress = server
            .as_deref()
            .unwrap_or(SCRIPTED_SERVER)
            .parse()
            .map_err(|error| format!("{error}"))?;
        let mut connection =
            ConnectionOptions::new(vec![address.clone()], &settings.client_name.name);
        let side = match server {
            None => {
                let broker = Broker::new(journal.clone());
                connection.connector = Some(Arc::new(broker.clone()) as Arc<dyn Connector>);
                Side::Broker(broker)
            }
            Some(_) => {
                let connected = thread.run(Server::connect(address, journal.clone()));
                let server = connected.map_err(|error| chain(&error))?;
                connection.connector = Some(Arc::new(server.relay().clone()) as Arc<dyn Connector>);
                Side::Server(server)
            }
        };
        let options = HostOptions { observer: Some(failures.observer()), ..HostOptions::default() };
        let host = Host::on(thread.runtime().clone(), &options).map_err(|error| chain(&error))?;
        let name = settings.name.clone();
        let program = thread.run(host.load(settings)).map_err(|error| chain(&error))?;
        let starting = thread.runtime().spawn(program.start(connection));
        let begin = clock.as_ref().map(ManualClock::now);
        let stage = Stage { name, host, thread, side, journal, failures, log, clock, begin };
        Ok((stage, starting, learner))
    }
}

/// An error with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[expect(clippy::panic, reason = "that is how a test fails")]
#[track_caller]
fn give_up(reason: &str) -> ! {
    panic!("{reason}");
}
