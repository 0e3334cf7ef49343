//! What an instance's store holds: its view of the plugin, and the guest's limits.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfigVariables;

use super::adapters;
use super::connections::{CLOSE_TIMEOUT, Connected, Connections};
use super::dispatch::group::{self, Group};
use super::dispatch::mailbox::{Delivery, Event, Incoming, Mailbox};
use super::dispatch::outbox::Outbox;
use super::dispatch::replies::AwaitedReplies;
use super::dispatch::requests::Requests;
use super::dispatch::subscription::Subscription;
use super::dispatch::subscriptions::{Orphans, Subscriptions};
use super::limits::limiter::Limiter;
use super::limits::rate::Meter;
use super::loading::bindings::types::Error;
use super::reporting::event::PluginEvent;
use super::reporting::reporter::Reporter;
use super::reporting::text;
use super::scheduling::progress::Progress;
use super::settings::PluginSettings;
use super::wasi::stdio::LogMeter;
use crate::connection::{Client, ConnectionOptions};
use crate::policy::Denied;
use crate::protocol::{Headers, Message, Subject};

/// What a requester is told of an error, as the value of a header.
const MAX_ERROR_CHARS: usize = 512;

/// What all instances of a plugin have in common.
pub(super) struct Shared {
    pub(super) settings: Arc<PluginSettings>,
    /// What connections are made with, the servers of a guest that names none
    /// among it.
    pub(super) connection: Arc<ConnectionOptions>,
    pub(super) connections: Arc<Connections>,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) reporter: Arc<Reporter>,
    /// What the plugin publishes.
    pub(super) publish_meter: Meter,
    /// What its guests print.
    pub(super) log_meter: LogMeter,
    /// What `wasi:config/store` has for its guests.
    pub(super) config_variables: WasiConfigVariables,
}

impl Shared {
    pub(super) fn new(
        settings: Arc<PluginSettings>,
        connection: Arc<ConnectionOptions>,
        connections: Arc<Connections>,
        subscriptions: Arc<Subscriptions>,
        reporter: Arc<Reporter>,
    ) -> Self {
        let limits = &settings.limits;
        let publish_meter =
            Meter::new(limits.max_publish_messages_per_second, limits.max_publish_bytes_per_second);
        let log_meter = LogMeter::new(limits);
        let config_variables = settings.config.clone().into_iter().collect();
        Self {
            settings,
            connection,
            connections,
            subscriptions,
            reporter,
            publish_meter,
            log_meter,
            config_variables,
        }
    }

    /// Something happened that the operator should know.
    pub(super) fn report(&self, event: PluginEvent) {
        self.reporter.report(&event);
    }

    /// The policy says no: the operator learns what would have to be allowed. If
    /// that is all he wants, it is allowed.
    pub(super) fn refuse(&self, denied: Denied<'_>) -> Result<(), Error> {
        if let Some(learner) = &self.settings.learner {
            learner.note(&denied);
            return Ok(());
        }
        let text = denied.advise(&self.settings.permission_place);
        self.report(PluginEvent::Refused { what: text.clone() });
        Err(Error::PermissionDenied(text))
    }
}

/// One instance's data, reached by its imports.
pub(super) struct State {
    pub(super) plugin: Arc<Shared>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) progress: Arc<Progress>,
    /// The connections it has asked for.
    pub(super) connections: FxHashMap<u32, Connected>,
    pub(super) subscriptions: FxHashMap<u64, Arc<Subscription>>,
    /// Subscriptions of the instance before, which `start` may take up.
    pub(super) orphans: Orphans,
    pub(super) requests: Requests,
    pub(super) ids: Ids,
    /// The message being handled, if it was taken alone and somebody waits for an
    /// answer to it.
    pub(super) in_hand: Option<(u32, Message)>,
    /// In the present call it may wait for the next delivery, instead of being called
    /// anew for it.
    pub(super) stays: bool,
    pub(super) group: Group,
    pub(super) outbox: Outbox,
    /// Those who asked for an answer before.
    pub(super) awaited: AwaitedReplies,
    /// The policy does not allow every answer anyway.
    remembers_askers: bool,
    pub(super) foreign: adapters::Context,
    limiter: Limiter,
    wasi: WasiCtx,
    table: ResourceTable,
}

/// Numbers that are not used twice, not even by the instance after.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ids {
    pub(super) request: u64,
    pub(super) timer: u64,
}

impl State {
    pub(super) fn new(
        plugin: Arc<Shared>,
        mailbox: Arc<Mailbox>,
        progress: Arc<Progress>,
        wasi: WasiCtx,
        inheritance: Inheritance,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(plugin.settings.limits.max_handles);
        let limiter = Limiter::new(Arc::clone(&plugin.reporter), &plugin.settings.limits);
        let foreign = adapters::Context::new(&plugin.settings.limits, &plugin.reporter);
        let remembers_askers = !plugin.settings.policy.publish.is_everything();
        Self {
            plugin,
            mailbox,
            progress,
            connections: FxHashMap::default(),
            subscriptions: FxHashMap::default(),
            orphans: inheritance.subscriptions.into_iter().collect(),
            requests: Requests::default(),
            ids: inheritance.ids,
            in_hand: None,
            stays: false,
            group: Group::new(),
            outbox: Outbox::default(),
            awaited: AwaitedReplies::new(),
            remembers_askers,
            foreign,
            limiter,
            wasi,
            table,
        }
    }

    pub(super) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limiter
    }

    /// What the host keeps for the guest under a handle.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    pub(super) fn settings(&self) -> &PluginSettings {
        &self.plugin.settings
    }

    pub(super) fn client(&self, id: u32) -> Option<&Client> {
        self.connections.get(&id).map(|connected| &connected.client)
    }

    /// What was taken is handled.
    pub(super) fn finish(&mut self) {
        self.in_hand = None;
        self.group.finish();
    }

    /// The same at the end of a callback, after which the guest may have to wait.
    pub(super) fn finish_callback(&mut self) {
        self.finish();
        if self.mailbox.waiting() == 0 {
            self.group.pause();
        }
    }

    /// Whether the guest, when it asks for more, waits for it in its call.
    pub(super) fn is_to_wait(&self) -> bool {
        self.stays && !self.mailbox.has_delivery()
    }

    /// Everything taken is handled: waits for what comes next. False if that is there
    /// already.
    pub(super) async fn wait_for_more(&mut self) -> bool {
        self.finish_callback();
        let mut has_rested = false;
        let rests = || {
            self.progress.rest();
            has_rested = true;
        };
        self.mailbox.is_awaited(rests).await;
        if has_rested {
            // Also if what woke it is gone, or is that there will be nothing more.
            self.progress.advance();
        }
        has_rested
    }

    /// Takes messages together; none if something else comes next, or the guest
    /// does not tell which one it has in hand. What was taken before is handled
    /// with this.
    pub(super) fn take_group(&mut self, most: usize) -> Arc<Vec<Incoming>> {
        self.finish();
        let size = self.group.next_size(self.mailbox.waiting()).min(most);
        let take = |into: &mut _| self.mailbox.take_messages(size, group::MAX_BYTES, into);
        self.group.begin(take);
        let messages = self.group.messages();
        if messages.is_empty() {
            self.group.pause();
            return Arc::clone(self.group.messages());
        }
        self.progress.advance();
        self.mailbox.count_handled(messages.len());
        if self.remembers_askers {
            for incoming in messages.iter() {
                if let Some(reply_to) = incoming.message.reply_to() {
                    self.awaited.remember(incoming.client, reply_to);
                }
            }
        }
        Arc::clone(messages)
    }

    /// Takes the next delivery: the one before is handled with this.
    pub(super) fn take(&mut self) -> Option<Delivery> {
        loop {
            self.finish();
            let delivery = self.mailbox.take()?;
            self.progress.advance();
            match &delivery {
                Delivery::Message(incoming) => {
                    self.mailbox.count_handled(1);
                    if let Some(reply_to) = incoming.message.reply_to() {
                        if self.remembers_askers {
                            self.awaited.remember(incoming.client, reply_to);
                        }
                        self.in_hand = Some((incoming.client, incoming.message.clone()));
                    }
                }
                Delivery::Reply { id, last: true, .. } => {
                    self.requests.remove(*id);
                }
                Delivery::Event { client, event } => match **event {
                    Event::SubscriptionEnded { sid, .. } => {
                        self.subscriptions.remove(&sid);
                    }
                    Event::Drained => {
                        self.finish_drain(*client);
                        continue;
                    }
                    _ => {}
                },
                Delivery::Reply { .. } | Delivery::Timer(_) => {}
            }
            return Some(delivery);
        }
    }

    /// Whether the message in hand came by this connection and is to be answered
    /// there.
    pub(super) fn is_reply_in_hand(&self, client: u32, subject: &str) -> bool {
        let alone = self.in_hand.as_ref().map(|(by, message)| (*by, message));
        let in_hand = || self.group.in_hand().map(|incoming| (incoming.client, &incoming.message));
        alone.or_else(in_hand).is_some_and(|(by, message)| {
            by == client && message.reply_to() == Some(subject.as_bytes())
        })
    }

    /// Everything delivered was handled: what is left is to see everything
    /// published to the server, and to say so.
    fn finish_drain(&self, id: u32) {
        let (Some(client), mailbox) = (self.client(id).cloned(), Arc::clone(&self.mailbox)) else {
            return;
        };
        tokio::spawn(async move {
            // A connection that breaks now has nothing left to lose by closing.
            let _ = client.flush(CLOSE_TIMEOUT).await;
            mailbox.push_event(id, Event::Connection(crate::connection::ConnectionEvent::Drained));
            client.close(CLOSE_TIMEOUT).await;
        });
    }

    /// The handler of the message in hand failed: tells its requester.
    pub(super) fn answer_error(&mut self, reason: &str) {
        let alone = self.in_hand.take();
        let failed = alone.or_else(|| {
            self.group.take_failed().map(|incoming| (incoming.client, incoming.message))
        });
        if let Some((client, message)) = failed {
            self.answer_error_to(client, &message, reason);
        }
    }

    /// Tells whoever waits for an answer to this message that there is none.
    pub(super) fn answer_error_to(&self, client: u32, message: &Message, reason: &str) {
        if !self.settings().answer_errors {
            return;
        }
        let reply_to = message.reply_to().and_then(|subject| Subject::from_bytes(subject).ok());
        let (Some(client), Some(reply_to)) = (self.client(client), reply_to) else { return };
        // Whoever sent the message may have forged a command to the server. And an
        // acknowledgement of JetStream would say that all is well.
        if reply_to.as_str().starts_with('$') {
            return;
        }
        let mut headers = Headers::new();
        let pushed = headers
            .push("Nats-Service-Error", text::one_line(reason, MAX_ERROR_CHARS).as_bytes())
            .and_then(|()| headers.push("Nats-Service-Error-Code", b"500"));
        if pushed.is_err() {
            return;
        }
        if let Err(error) = client.publish(reply_to, None, headers.as_bytes(), b"") {
            tracing::debug!(plugin = self.settings().name, %error, "error reply not sent");
        }
    }

    /// Ends what must not outlive the instance, and passes on what may.
    pub(super) fn leave(&mut self) -> Inheritance {
        for request in std::mem::take(&mut self.requests).into_all() {
            if let Some(client) = self.client(request.client) {
                client.cancel_request(request.id);
            }
        }
        let mut rest = self.group.rest().to_vec();
        rest.retain(|incoming| self.subscriptions.contains_key(&incoming.sid));
        self.mailbox.put_back(rest);
        self.group.finish();
        self.mailbox.forget_instance();
        let mut subscriptions: Vec<_> =
            std::mem::take(&mut self.subscriptions).into_values().collect();
        subscriptions.append(&mut self.orphans.take_all());
        // The order in which equal ones are taken up again.
        subscriptions.sort_by_key(|subscription| subscription.sid);
        Inheritance { subscriptions, ids: self.ids }
    }

    /// `start` has returned: what it did not take up ends.
    pub(super) fn drop_orphans(&mut self) {
        self.plugin.subscriptions.leave(&self.orphans.take_all(), &self.mailbox);
    }
}

/// What a fresh instance gets from the one before.
#[derive(Default)]
pub(super) struct Inheritance {
    pub(super) subscriptions: Vec<Arc<Subscription>>,
    pub(super) ids: Ids,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
