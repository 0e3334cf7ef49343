//! `simple-nats:client/packed-outbox`, written by hand: messages are read where the
//! guest wrote them, many at once, and go straight into the connection's output.

use wasmtime::component::{ComponentType, Linker, Lower, WasmList};
use wasmtime::{StoreContext, StoreContextMut};

use crate::connection::{Client, ConnectionEvent, Departure};
use crate::plugin::adapters;
use crate::plugin::dispatch::group::look;
use crate::plugin::dispatch::mailbox::Event;
use crate::plugin::dispatch::outbox::{self, OutboxError, Written};
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::state::State;
use crate::policy::Policy;
use crate::protocol::Subject;

/// Patterns of which a guest can quickly find one that matches.
const MAX_SUBJECTS: usize = 16;

/// What may be written for a connection.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Terms {
    #[component(name = "max-payload")]
    max_payload: u32,
    everything: bool,
    subjects: Vec<String>,
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("simple-nats:client/packed-outbox@0.1.0")?;
    instance.func_wrap("terms-of", |store: StoreContextMut<'_, State>, (client,): (u32,)| {
        Ok((store.data().terms_of(client),))
    })?;
    instance.func_wrap(
        "expose",
        |mut store: StoreContextMut<'_, State>, (place,): (WasmList<u8>,)| {
            catch_up(&store)?;
            Ok(store.data_mut().outbox.expose(place)?)
        },
    )?;
    instance.func_wrap_async("settle", |store: StoreContextMut<'_, State>, (): ()| {
        Box::new(async move {
            catch_up(&store)?;
            let state = store.data();
            let size = state.outbox.capacity();
            for client in state.clients() {
                let has_room = super::when_room(&client, || client.check_room(size)).await;
                if matches!(has_room, Err(Error::BufferFull)) {
                    return Ok((0,));
                }
            }
            Ok((u32::try_from(size)?,))
        })
    })
}

/// Finds out how far the guest has come: which message is in hand, and what it has
/// written to its outbox, which is sent.
///
/// # Errors
/// If the guest has written what is no message.
#[inline]
pub(in crate::plugin) fn catch_up<'a>(
    store: impl Into<StoreContext<'a, State>>,
) -> Result<(), OutboxError> {
    catch_up_and(Departure::Soon, store)
}

/// The same for output that leaves in one way or the other.
///
/// # Errors
/// As for [`catch_up`].
#[inline]
pub(super) fn catch_up_and<'a>(
    departure: Departure,
    store: impl Into<StoreContext<'a, State>>,
) -> Result<(), OutboxError> {
    let store = store.into();
    look(&store);
    match store.data().outbox.take(&store)? {
        [] => Ok(()),
        written => store.data().send_written(departure, written),
    }
}

impl State {
    /// What this instance may write to its outbox for a connection. Where a call has
    /// to tell more than that something is wrong, it may not.
    fn terms_of(&self, client: u32) -> Option<Terms> {
        let (settings, client) = (self.settings(), self.client(client)?);
        let is_limited = self.plugin.publish_meter.is_limited();
        if is_limited || settings.learner.is_some() || client.is_closed() {
            return None;
        }
        let server = client.server_info().and_then(|info| info.max_payload).unwrap_or(u64::MAX);
        let max_payload = server.min(settings.limits.max_payload_bytes as u64);
        let publish = &settings.policy.publish;
        Some(Terms {
            max_payload: u32::try_from(max_payload).unwrap_or(u32::MAX),
            everything: publish.is_everything(),
            subjects: publish.patterns().take(MAX_SUBJECTS).map(str::to_owned).collect(),
        })
    }

    /// The connections that this instance has asked for.
    fn clients(&self) -> Vec<Client> {
        self.connections.values().map(|connected| connected.client.clone()).collect()
    }

    /// Sends what the guest wrote, those for the same connection in one piece.
    fn send_written(&self, departure: Departure, mut written: &[u8]) -> Result<(), OutboxError> {
        let (mut refused, mut known) = (Vec::new(), None);
        let mut message = outbox::next(&mut written);
        while let Ok(Some(first)) = message {
            let id = first.client;
            let Some(client) = self.client(id) else {
                refused.push(first);
                message = outbox::next(&mut written);
                continue;
            };
            client.publish_together(|together| {
                while let Ok(Some(next)) = message
                    && next.client == id
                {
                    let is_sent = self.permitted(next, &mut known).is_some_and(|subject| {
                        together.publish_promised(subject, next.payload).is_ok()
                    });
                    if !is_sent {
                        refused.push(next);
                    }
                    message = outbox::next(&mut written);
                }
                // The last of several runs; those before leave together.
                if matches!(message, Ok(None)) {
                    together.leave(departure);
                }
            });
        }
        // Not under the lock of the connection: others hear of it.
        refused.into_iter().try_for_each(|written| self.send_or_refuse(written))?;
        message.map(drop)
    }

    /// The subject of a message that may be sent. `known` is one that a rule allows,
    /// since many messages have the same.
    #[inline]
    fn permitted<'a>(
        &self,
        written: Written<'a>,
        known: &mut Option<Subject<'a>>,
    ) -> Option<Subject<'a>> {
        let size = written.payload.len();
        let is_known = |subject: &Subject<'_>| subject.as_str().as_bytes() == written.subject;
        let subject = match known.filter(is_known) {
            Some(subject) if size <= self.settings().limits.max_payload_bytes => subject,
            _ => self.judge(written, known)?,
        };
        self.plugin.publish_meter.take(size).is_ok().then_some(subject)
    }

    fn judge<'a>(
        &self,
        written: Written<'a>,
        known: &mut Option<Subject<'a>>,
    ) -> Option<Subject<'a>> {
        let subject = Subject::from_bytes(written.subject).ok()?;
        let mut has_rule = true;
        let is_awaited = || {
            has_rule = false;
            self.is_awaited(written.client, subject.as_str())
        };
        let size = written.payload.len();
        let refusal = self.refusal(subject, size, Policy::may_publish, is_awaited);
        if refusal.is_some() {
            return None;
        }
        *known = has_rule.then_some(subject);
        Some(subject)
    }

    /// Tells everybody why a message can't be sent.
    fn send_or_refuse(&self, written: Written<'_>) -> Result<(), OutboxError> {
        let Written { client: id, payload, .. } = written;
        let subject = written.subject_text()?;
        let send = || -> Result<(), Error> {
            let client = &self.known(id)?.client;
            let subject = self.check_publish(id, subject, payload.len())?;
            Ok(client.publish_together(|together| together.publish_promised(subject, payload))?)
        };
        if let Err(error) = send() {
            let text = adapters::text(error);
            let subject = subject.to_owned();
            let event = ConnectionEvent::PublishRefused { subject, text };
            self.mailbox.push_event(id, Event::Connection(event));
        }
        Ok(())
    }
}
