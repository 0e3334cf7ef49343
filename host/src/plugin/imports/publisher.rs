//! `simple-nats:client/publisher`, written by hand: strings and lists are read
//! where they lie in the guest's memory and go straight into the connection's
//! output.

use std::future::ready;

use wasmtime::component::{ComponentType, Lift, Linker, WasmList, WasmStr};
use wasmtime::{AsContextMut, StoreContextMut};

use super::headers::HeaderWriter;
use super::packed_outbox::catch_up;
use crate::connection::Client;
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::state::State;
use crate::policy::{Denied, Policy};
use crate::protocol::{Headers, SessionError, Subject};

/// What a host function answers.
type Answer = wasmtime::Result<(Result<(), Error>,)>;
type Pending<'a> = Box<dyn Future<Output = Answer> + Send + 'a>;

/// A `header` that is still in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
struct HeaderInGuest {
    name: WasmStr,
    value: WasmList<u8>,
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("simple-nats:client/publisher@0.1.0")?;
    instance.func_wrap_async(
        "publish",
        |store: StoreContextMut<'_, State>,
         (client, subject, payload): (u32, WasmStr, WasmList<u8>)|
         -> Pending<'_> {
            answer(publish(&store, client, &subject, None, &Headers::new(), &payload))
        },
    )?;
    instance.func_wrap(
        "try-publish",
        |store: StoreContextMut<'_, State>,
         (client, subject, payload): (u32, WasmStr, WasmList<u8>)| {
            Ok((try_publish(&store, client, &subject, &payload)?,))
        },
    )?;
    instance.func_wrap_async(
        "publish-with",
        |mut store: StoreContextMut<'_, State>,
         (client, subject, reply_to, headers, payload): (
            u32,
            WasmStr,
            Option<WasmStr>,
            WasmList<HeaderInGuest>,
            WasmList<u8>,
        )|
         -> Pending<'_> {
            let outcome = read_headers(&mut store, &headers).and_then(|headers| match headers {
                Ok(headers) => {
                    publish(&store, client, &subject, reply_to.as_ref(), &headers, &payload)
                }
                Err(error) => Ok(Outcome::Done(Err(error))),
            });
            answer(outcome)
        },
    )
}

/// How far a publish got without waiting.
enum Outcome {
    Done(Result<(), Error>),
    /// There is no room; the message is copied, to be sent when there is.
    Full(Box<Outgoing>),
}

/// A message that is allowed and can be sent.
pub(in crate::plugin) struct Outgoing {
    client: Client,
    subject: String,
    reply_to: Option<String>,
    headers: Headers,
    payload: Vec<u8>,
}

/// Why a message may not be sent.
pub(super) enum Refusal<'a> {
    TooLarge { limit: usize },
    Denied(Denied<'a>),
}

fn answer<'a>(outcome: wasmtime::Result<Outcome>) -> Pending<'a> {
    match outcome {
        Ok(Outcome::Done(result)) => Box::new(ready(Ok((result,)))),
        Ok(Outcome::Full(waiting)) => Box::new(async move { Ok((waiting.send().await,)) }),
        Err(error) => Box::new(ready(Err(error))),
    }
}

/// Publishes what lies in the guest's memory.
fn publish(
    store: &StoreContextMut<'_, State>,
    client: u32,
    subject: &WasmStr,
    reply_to: Option<&WasmStr>,
    headers: &Headers,
    payload: &WasmList<u8>,
) -> wasmtime::Result<Outcome> {
    let subject = subject.to_str(store)?;
    let reply_to = reply_to.map(|reply_to| reply_to.to_str(store)).transpose()?;
    let payload = payload.as_le_slice(store);
    catch_up(store)?;
    let state = store.data();
    let id = client;
    let Some(client) = state.client(id) else {
        return Ok(Outcome::Done(Err(Error::UnknownClient(id))));
    };
    let sent = state
        .check_publish(id, &subject, headers.as_bytes().len().saturating_add(payload.len()))
        .and_then(|subject| {
            let reply_to = reply_to.as_deref();
            let reply_to =
                reply_to.map(|reply_to| state.check_reply_to(id, reply_to)).transpose()?;
            Ok(client.offer(subject, reply_to, headers.as_bytes(), payload))
        });
    Ok(match sent {
        Ok(Err(SessionError::BufferFull { .. })) => Outcome::Full(Box::new(Outgoing {
            client: client.clone(),
            subject: subject.into_owned(),
            reply_to: reply_to.map(|reply_to| reply_to.into_owned()),
            headers: headers.clone(),
            payload: payload.to_vec(),
        })),
        Ok(result) => Outcome::Done(result.map_err(Error::from)),
        Err(error) => Outcome::Done(Err(error)),
    })
}

/// Publishes what lies in the guest's memory, if nothing is in the way. What is,
/// nobody hears of: that is left to [`publish`].
fn try_publish(
    store: &StoreContextMut<'_, State>,
    client: u32,
    subject: &WasmStr,
    payload: &WasmList<u8>,
) -> wasmtime::Result<bool> {
    let subject = subject.to_str(store)?;
    let payload = payload.as_le_slice(store);
    catch_up(store)?;
    let state = store.data();
    let Some(connected) = state.client(client) else { return Ok(false) };
    let Ok(subject) = Subject::new(&subject) else { return Ok(false) };
    let is_awaited = || state.is_awaited(client, subject.as_str());
    let refusal = state.refusal(subject, payload.len(), Policy::may_publish, is_awaited);
    let meter = &state.plugin.publish_meter;
    if refusal.is_some() || meter.take(payload.len()).is_err() {
        return Ok(false);
    }
    let is_sent = connected.offer(subject, None, &[], payload).is_ok();
    if !is_sent {
        meter.give_back(payload.len());
    }
    Ok(is_sent)
}

fn read_headers(
    store: &mut StoreContextMut<'_, State>,
    list: &WasmList<HeaderInGuest>,
) -> wasmtime::Result<Result<Headers, Error>> {
    if list.len() == 0 {
        return Ok(Ok(Headers::new()));
    }
    // Refused before its fields are read.
    if let Err(error) = HeaderWriter::new(&store.data().plugin, list.len()) {
        return Ok(Err(error));
    }
    let fields = list.iter(store.as_context_mut())?.collect::<wasmtime::Result<Vec<_>>>()?;
    let mut headers = match HeaderWriter::new(&store.data().plugin, fields.len()) {
        Ok(headers) => headers,
        Err(error) => return Ok(Err(error)),
    };
    for field in fields {
        let name = field.name.to_str(&*store)?;
        if let Err(error) = headers.push(&name, field.value.as_le_slice(&*store)) {
            return Ok(Err(error));
        }
    }
    Ok(headers.finish())
}

impl Outgoing {
    /// What it goes out by.
    pub(in crate::plugin) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends when there is room. Without a server there will be none for now.
    pub(in crate::plugin) async fn send(&self) -> Result<(), Error> {
        let subject = Subject::new(&self.subject)?;
        let reply_to = self.reply_to.as_deref().map(Subject::new).transpose()?;
        super::when_room(&self.client, || {
            self.client.offer(subject, reply_to, self.headers.as_bytes(), &self.payload)
        })
        .await
    }
}

impl State {
    /// Checks a message that comes by another way than our own imports.
    pub(in crate::plugin) fn outgoing(
        &self,
        client: u32,
        subject: &str,
        reply_to: Option<&str>,
        headers: &Headers,
        payload: &[u8],
    ) -> Result<Outgoing, Error> {
        let id = client;
        let client = self.known(id)?.client.clone();
        self.check_publish(id, subject, headers.as_bytes().len().saturating_add(payload.len()))?;
        reply_to.map(|reply_to| self.check_reply_to(id, reply_to)).transpose()?;
        Ok(Outgoing {
            client,
            subject: subject.to_owned(),
            reply_to: reply_to.map(str::to_owned),
            headers: headers.clone(),
            payload: payload.to_vec(),
        })
    }

    /// Whether this instance may publish so much to this subject.
    pub(super) fn check_publish<'a>(
        &self,
        client: u32,
        subject: &'a str,
        size: usize,
    ) -> Result<Subject<'a>, Error> {
        self.check(client, subject, size, |policy, subject| policy.may_publish(subject))
    }

    /// Whether this instance may send so much to this subject, with a permission
    /// that `ask` asks for.
    pub(super) fn check<'a>(
        &self,
        client: u32,
        subject: &'a str,
        size: usize,
        ask: impl FnOnce(&Policy, Subject<'a>) -> Result<(), Denied<'a>>,
    ) -> Result<Subject<'a>, Error> {
        let parsed = Subject::new(subject)?;
        match self.refusal(parsed, size, ask, || self.is_awaited(client, subject)) {
            None => {}
            Some(Refusal::TooLarge { limit }) => {
                let _ = self.plugin.exceeded("payload-bytes", 0, size, limit);
                return Err(Error::PayloadTooLarge(limit as u64));
            }
            Some(Refusal::Denied(denied)) => self.plugin.refuse(denied)?,
        }
        match self.plugin.publish_meter.take(size) {
            Ok(()) => Ok(parsed),
            Err(used_up) => Err(self.plugin.publishes_too_fast(used_up)),
        }
    }

    /// Why this instance may not send so much to this subject, with a permission
    /// that `ask` asks for, if it may not. Nobody hears of it by this.
    #[inline]
    pub(super) fn refusal<'a>(
        &self,
        subject: Subject<'a>,
        size: usize,
        ask: impl FnOnce(&Policy, Subject<'a>) -> Result<(), Denied<'a>>,
        is_awaited: impl FnOnce() -> bool,
    ) -> Option<Refusal<'a>> {
        let settings = self.settings();
        let limit = settings.limits.max_payload_bytes;
        if size > limit {
            return Some(Refusal::TooLarge { limit });
        }
        let denied = ask(&settings.policy, subject).err()?;
        (!is_awaited()).then_some(Refusal::Denied(denied))
    }

    /// Whether this instance may have others answer to this subject: to an inbox
    /// of its own, to where a message it passes on is to be answered, or as the
    /// policy says.
    fn check_reply_to<'a>(&self, client: u32, subject: &'a str) -> Result<Subject<'a>, Error> {
        let parsed = Subject::new(subject)?;
        match self.settings().policy.may_reply_to(parsed) {
            Err(denied) if !self.is_own_inbox(subject) && !self.is_awaited(client, subject) => {
                self.plugin.refuse(denied)?;
            }
            _ => {}
        }
        Ok(parsed)
    }

    /// Answering a message needs no permission of its own, now or later, on the
    /// connection that it came by: another server's word counts for nothing.
    pub(super) fn is_awaited(&self, client: u32, subject: &str) -> bool {
        (self.is_reply_in_hand(client, subject) || self.awaited.contains(client, subject))
            && self.settings().policy.may_answer(subject)
    }

    /// Whether a subject or pattern lies within what this instance's connections
    /// have for its inboxes.
    pub(super) fn is_own_inbox(&self, subject: &str) -> bool {
        self.connections.values().any(|connected| connected.client.has_inbox(subject))
    }
}
