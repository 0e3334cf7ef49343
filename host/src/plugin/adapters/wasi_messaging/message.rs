//! The resource `message`.

use wasmtime::component::{Linker, Resource, ResourceType};

use super::Package;
use crate::plugin::adapters::budget::Charge;
use crate::plugin::loading::bindings::types;
use crate::plugin::state::State;
use crate::protocol;

const CONTENT_TYPE: &str = "Content-Type";

/// What a handle costs beside what is in it.
const HANDLE_BYTES: usize = 256;

/// A message that the host keeps for a guest.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    topic: Option<String>,
    reply_to: Option<String>,
    content_type: Option<String>,
    data: Vec<u8>,
    metadata: Vec<(String, String)>,
}

impl Message {
    /// One that was delivered.
    pub(super) fn received(message: &protocol::Message) -> Self {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut received = Self {
            topic: Some(lossy(message.subject())),
            reply_to: message.reply_to().map(lossy),
            data: message.payload().to_vec(),
            ..Self::default()
        };
        for (name, value) in message.headers().fields() {
            received.take_field(lossy(name), lossy(value));
        }
        received
    }

    /// An answer to a request.
    pub(super) fn answer(message: types::Message) -> Self {
        let mut answer = Self {
            topic: Some(message.subject),
            reply_to: message.reply_to,
            data: message.payload,
            ..Self::default()
        };
        for field in message.headers {
            answer.take_field(field.name, String::from_utf8_lossy(&field.value).into_owned());
        }
        answer
    }

    fn take_field(&mut self, name: String, value: String) {
        if self.content_type.is_none() && name.eq_ignore_ascii_case(CONTENT_TYPE) {
            self.content_type = Some(value);
        } else {
            self.metadata.push((name, value));
        }
    }

    pub(super) fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_deref()
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The header fields to send it with.
    pub(super) fn headers(&self) -> Vec<types::Header> {
        let header = |(name, value): (&str, &str)| types::Header {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        };
        self.fields().map(header).collect()
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let content_type = self.content_type.as_deref().map(|value| (CONTENT_TYPE, value));
        let metadata = self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        content_type.into_iter().chain(metadata)
    }

    fn size(&self) -> usize {
        let texts = [&self.topic, &self.reply_to, &self.content_type];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let fields = |(name, value): &(String, String)| {
            name.len() + value.len() + size_of::<(String, String)>()
        };
        let metadata = self.metadata.iter().map(fields).sum::<usize>();
        HANDLE_BYTES + texts + self.data.len() + metadata
    }
}

/// A message under a handle, and what it costs.
#[derive(Debug)]
pub(super) struct Held {
    message: Message,
    charge: Charge,
}

impl State {
    /// Gives a message to the guest. The interface has no error for one too many,
    /// so that is a trap.
    pub(super) fn hold(&mut self, message: Message) -> wasmtime::Result<Resource<Held>> {
        let mut charge = self.foreign.budget.open();
        charge.set(message.size())?;
        Ok(self.table().push(Held { message, charge })?)
    }

    /// Takes a message back.
    pub(super) fn release(&mut self, message: Resource<Held>) -> wasmtime::Result<Message> {
        Ok(self.table().delete(message)?.message)
    }

    pub(super) fn held(&mut self, message: &Resource<Held>) -> wasmtime::Result<&Message> {
        Ok(&self.table().get(message)?.message)
    }

    fn change(
        &mut self,
        message: &Resource<Held>,
        change: impl FnOnce(&mut Message),
    ) -> wasmtime::Result<()> {
        let held = self.table().get_mut(message)?;
        change(&mut held.message);
        Ok(held.charge.set(held.message.size())?)
    }
}

type Metadata = Vec<(String, String)>;

pub(super) fn add_to_linker(linker: &mut Linker<State>, package: &Package) -> wasmtime::Result<()> {
    type Own = Resource<Held>;
    let mut instance = linker.instance(package.types)?;
    instance.resource("message", ResourceType::host::<Held>(), |mut store, rep| {
        store.data_mut().release(Resource::new_own(rep)).map(drop)
    })?;
    instance.func_wrap("[constructor]message", |mut store, (data,): (Vec<u8>,)| {
        Ok((store.data_mut().hold(Message { data, ..Message::default() })?,))
    })?;
    instance.func_wrap("[method]message.topic", |mut store, (this,): (Own,)| {
        Ok((store.data_mut().held(&this)?.topic.clone(),))
    })?;
    instance.func_wrap("[method]message.content-type", |mut store, (this,): (Own,)| {
        Ok((store.data_mut().held(&this)?.content_type.clone(),))
    })?;
    instance.func_wrap(
        "[method]message.set-content-type",
        |mut store, (this, value): (Own, String)| {
            store.data_mut().change(&this, |message| message.content_type = Some(value))
        },
    )?;
    instance.func_wrap("[method]message.data", |mut store, (this,): (Own,)| {
        Ok((store.data_mut().held(&this)?.data.clone(),))
    })?;
    instance.func_wrap("[method]message.set-data", |mut store, (this, data): (Own, Vec<u8>)| {
        store.data_mut().change(&this, |message| message.data = data)
    })?;
    instance.func_wrap("[method]message.metadata", |mut store, (this,): (Own,)| {
        let metadata = &store.data_mut().held(&this)?.metadata;
        Ok((Some(metadata.clone()).filter(|metadata| !metadata.is_empty()),))
    })?;
    instance.func_wrap(
        "[method]message.add-metadata",
        |mut store, (this, key, value): (Own, String, String)| {
            store.data_mut().change(&this, |message| {
                message.metadata.retain(|(name, _)| *name != key);
                message.metadata.push((key, value));
            })
        },
    )?;
    instance.func_wrap(
        "[method]message.set-metadata",
        |mut store, (this, metadata): (Own, Metadata)| {
            store.data_mut().change(&this, |message| message.metadata = metadata)
        },
    )?;
    instance.func_wrap(
        "[method]message.remove-metadata",
        |mut store, (this, key): (Own, String)| {
            store.data_mut().change(&this, |message| {
                message.metadata.retain(|(name, _)| *name != key);
            })
        },
    )
}
