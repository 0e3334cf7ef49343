//! Where an attacker meets the host: on a real server, beside a neighbour whose
//! service is measured, with an eye on what the host takes of the machine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use test_support::{Finished, HostProcess, LogLine, NatsServer, TempDir, Usage, within};
use tokio::sync::{Mutex, MutexGuard};

use crate::harness::BINARY;
use crate::neighbour::Asking;
use crate::second;

/// Within this time the neighbour answers.
const PROMPT: Duration = Duration::from_millis(50);

/// Descriptors that come and go by themselves: connections being opened.
const SPARE_DESCRIPTORS: usize = 24;

const MIB: u64 = 1 << 20;

/// What the host may take more while it is attacked than before, at its peak.
const SPARE_BYTES: u64 = 192 * MIB;

/// How long an attacker may run, and wait, in one callback, unless it gets more.
const RUN: &str = "500ms";
const WAIT: &str = "2s";

/// A host with an attacker and the neighbour.
pub(crate) struct Arena {
    pub(crate) server: NatsServer,
    pub(crate) host: HostProcess,
    pub(crate) client: Client,
    /// The attacker's component, which may be replaced.
    pub(crate) component: PathBuf,
    before: Usage,
    neighbour_cid: u64,
    spare_bytes: u64,
    asking: Option<Asking>,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// Attacks take turns: what one costs must not be held against another.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits until no other attack goes on, and none will before the answer is dropped.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// An attacker, and how it is run.
pub(crate) struct Attack {
    name: String,
    component: Component,
    permissions: String,
    /// The host subscribes for it.
    is_foreign: bool,
    /// How long it may run and wait in one callback, and take to start and stop.
    patience: Patience,
    spare_bytes: u64,
    server: Option<NatsServer>,
}

struct Patience {
    run: &'static str,
    wait: &'static str,
    start: &'static str,
}

enum Component {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Attack {
    /// By the attacker with this name.
    pub(crate) fn by(name: &str) -> Result<Self> {
        Ok(Self::with(name, Component::File(test_support::guest(name)?)))
    }

    /// By a component of the test's own.
    pub(crate) fn of(name: &str, component: Vec<u8>) -> Self {
        Self::with(name, Component::Bytes(component))
    }

    /// By what is in a file.
    pub(crate) fn by_file(name: &str, path: impl Into<PathBuf>) -> Self {
        Self::with(name, Component::File(path.into()))
    }

    fn with(name: &str, component: Component) -> Self {
        Self {
            name: name.to_owned(),
            component,
            permissions: "allow-all = true".to_owned(),
            is_foreign: false,
            patience: Patience { run: RUN, wait: WAIT, start: WAIT },
            spare_bytes: SPARE_BYTES,
            server: None,
        }
    }

    /// By a component that was written for another host.
    pub(crate) fn by_foreign(name: &str) -> Result<Self> {
        Ok(Self { is_foreign: true, ..Self::by(name)? })
    }

    /// With these permissions of a manifest in place of all.
    pub(crate) fn permitted(mut self, permissions: &str) -> Self {
        permissions.clone_into(&mut self.permissions);
        self
    }

    /// With so much time for each callback, which it needs for all its mischief.
    pub(crate) fn may_take(mut self, time: &'static str) -> Self {
        self.patience = Patience { run: time, wait: time, start: time };
        self
    }

    /// With so much time to wait in one callback, where that is all it does.
    pub(crate) fn may_wait(mut self, time: &'static str) -> Self {
        self.patience.wait = time;
        self
    }

    /// On this server in place of one without any configuration.
    pub(crate) fn on(mut self, server: NatsServer) -> Self {
        self.server = Some(server);
        self
    }

    /// The host may take so much more memory: what the attacker's limits allow.
    pub(crate) fn may_use_mib(mut self, mib: u64) -> Self {
        self.spare_bytes = SPARE_BYTES + mib * MIB;
        self
    }

    /// Starts the attacker beside the neighbour, which is asked from now on.
    pub(crate) async fn begin(self) -> Result<Arena> {
        let turn = turn().await;
        let server = match self.server {
            Some(server) => server,
            None => NatsServer::start().await?,
        };
        let folder = TempDir::new().context("make a folder")?;
        let path = match self.component {
            Component::File(path) => path,
            Component::Bytes(bytes) => {
                let path = folder.path().join("attacker.wasm");
                std::fs::write(&path, bytes)?;
                path
            }
        };
        let manifest = folder.path().join("plugins.toml");
        let (name, permissions) = (&self.name, &self.permissions);
        let Patience { run, wait, start } = self.patience;
        let (neighbour, quiet) = (test_support::guest("echo")?, test_support::guest("counter")?);
        // Plugins take turns on the threads, one for each processor: with two, the
        // attacker shares that of the neighbour.
        let subscriptions = if self.is_foreign { "subscriptions = [\"attack.in\"]\n" } else { "" };
        let text = format!(
            "[plugin.a-neighbour]\ncomponent = {neighbour:?}\n\
             permissions = {{ subscribe = [\"echo\"] }}\n\n\
             [plugin.a-quiet-one]\ncomponent = {quiet:?}\npermissions = {{ allow-all = true }}\n\n\
             [plugin.{name}]\ncomponent = {path:?}\npermissions = {{ {permissions} }}\n\
             {subscriptions}limits = {{ start-timeout = {start:?}, callback-timeout = {wait:?}, \
             callback-cpu-time = {run:?}, max-failures = 5, \
             stop-callback-timeout = {start:?}, compile-timeout = {start:?} }}\n",
        );
        std::fs::write(&manifest, text)?;
        let (manifest, url) = (manifest.display().to_string(), server.url());
        let arguments = ["up", &manifest, "--server", &url, "--admin", "127.0.0.1:0"];
        let host =
            HostProcess::start(BINARY, [&arguments[..], &["--log-format", "json"]].concat())?;
        host.wait_until_ready("a-neighbour").await?;
        host.wait_until_ready("a-quiet-one").await?;
        let client = server.client().await?;
        let neighbour_cid = cid_of(&server, "echo").await?;
        Usage::forget_peak(host.pid()?)?;
        let before = Usage::of(host.pid()?)?;
        let asking = Asking::start(server.address())?;
        let spare_bytes = self.spare_bytes;
        Ok(Arena {
            server,
            host,
            client,
            component: path,
            before,
            neighbour_cid,
            spare_bytes,
            asking: Some(asking),
            _folder: folder,
            _turn: turn,
        })
    }

    /// Starts the attacker, which subscribes to `attack.in` and waits.
    pub(crate) async fn lie_in_wait(self) -> Result<Arena> {
        let name = self.name.clone();
        let arena = self.begin().await?;
        arena.host.wait_until_ready(&name).await?;
        Ok(arena)
    }
}

/// What an attacker tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) number: i64,
    /// The error that it got, by its name in the contract.
    pub(crate) error: Option<&'static str>,
}

const ERRORS: [&str; 16] = [
    "subject-invalid",
    "header-invalid",
    "name-invalid",
    "payload-too-large",
    "permission-denied",
    "quota-exceeded",
    "unknown-client",
    "unknown-subscription",
    "buffer-full",
    "timeout",
    "no-responders",
    "cancelled",
    "connection-lost",
    "closed",
    "connect-failed",
    "other",
];

impl Arena {
    /// Hears what the attacker tells from now on.
    pub(crate) async fn listen(&self) -> Result<Subscriber> {
        second::listen(&self.client, "attack.out").await
    }

    /// Sends the attacker a message that wants no answer.
    pub(crate) async fn provoke(&self, text: &str) -> Result<()> {
        self.client.publish("attack.in", text.to_owned().into()).await?;
        Ok(())
    }

    /// Sends the attacker a message: the error that it is answered with.
    pub(crate) async fn error(&self, text: &str) -> Result<String> {
        let mut answers = second::listen(&self.client, "attack.answers").await?;
        let text = text.to_owned().into();
        self.client.publish_with_reply("attack.in", "attack.answers", text).await?;
        let answer = within("an error reply", answers.next()).await?.context("no answer")?;
        let (text, code) = second::service_error(&answer).context("not an error")?;
        ensure!(code == "500", "{text}: {code}");
        Ok(text.to_owned())
    }

    /// Sends the attacker a message: its answer, which is JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, text: &str) -> Result<T> {
        let answer = second::ask(&self.client, "attack.in", text).await?;
        serde_json::from_slice(&answer.payload).with_context(|| format!("{answer:?}"))
    }

    /// The server's number of the attacker's connection.
    pub(crate) async fn attacker_cid(&self) -> Result<u64> {
        cid_of(&self.server, "attack.in").await
    }

    /// Waits for the log to say that a limit was reached.
    pub(crate) async fn limit(&self, name: &str) -> Result<LogLine> {
        let what = format!("the limit {name} to be reached");
        let reached = |line: &LogLine| {
            line.message() == Some("limit reached") && line.field("limit") == Some(&name.into())
        };
        self.host.wait_for_log(&what, reached).await
    }

    /// Waits for the log to say that the attacker is quarantined.
    pub(crate) async fn quarantine(&self) -> Result<String> {
        self.reason("plugin quarantined", "reason").await
    }

    /// Waits for the log to say that an instance has failed: the reason.
    pub(crate) async fn failure(&self) -> Result<String> {
        self.reason("instance failed", "error").await
    }

    /// Waits for the log to say that the attacker does not start at all: the reason.
    pub(crate) async fn refusal(&self) -> Result<String> {
        self.reason("plugin not started", "error").await
    }

    async fn reason(&self, message: &str, field: &str) -> Result<String> {
        let accept = |line: &LogLine| line.message() == Some(message);
        let line = self.host.wait_for_log(message, accept).await?;
        let reason = line.field(field).and_then(|reason| reason.as_str());
        Ok(reason.with_context(|| format!("no {field}: {}", line.text))?.to_owned())
    }

    /// The host has stood: the neighbour was served, and nothing leaks. Ends it
    /// cleanly.
    pub(crate) async fn stood(mut self) -> Result<Finished> {
        self.judge().await?;
        self.host.stop().await
    }

    /// The same, in the middle of an attack that would go on for long.
    pub(crate) async fn stands(mut self) -> Result<()> {
        self.judge().await?;
        self.host.kill().await
    }

    async fn judge(&mut self) -> Result<()> {
        let asking = self.asking.take().context("judged before")?;
        tokio::task::spawn_blocking(|| asking.finish()).await??.judge(PROMPT)?;
        let cid = cid_of(&self.server, "echo").await?;
        ensure!(cid == self.neighbour_cid, "the neighbour has lost its connection");
        let (before, after) = (self.before, Usage::of(self.host.pid()?)?);
        let bound = before.resident_bytes + self.spare_bytes;
        ensure!(after.peak_bytes <= bound, "memory: {before:?}, then {after:?}");
        let bound = before.descriptors + SPARE_DESCRIPTORS;
        ensure!(after.descriptors <= bound, "descriptors: {before:?}, then {after:?}");
        Ok(())
    }
}

/// What the attacker tells next.
pub(crate) async fn told(subscriber: &mut Subscriber) -> Result<Told> {
    let message = within("the attacker to tell", subscriber.next()).await?.context("no message")?;
    let (number, outcome) = message.payload.split_first_chunk().context("too short")?;
    let outcome = u32::from_le_bytes(outcome.try_into()?) as usize;
    let error = outcome.checked_sub(1).and_then(|index| ERRORS.get(index).copied());
    Ok(Told { number: i64::from_le_bytes(*number), error })
}

/// The connection that has subscribed to a subject.
async fn cid_of(server: &NatsServer, subject: &str) -> Result<u64> {
    server
        .wait_for(&format!("a subscription to {subject}"), |page| {
            let connections = page["connections"].as_array()?;
            let found = connections.iter().find(|connection| {
                let details = connection["subscriptions_list_detail"].as_array();
                details.into_iter().flatten().any(|detail| detail["subject"] == subject)
            });
            found.and_then(|connection| connection["cid"].as_u64())
        })
        .await
}
