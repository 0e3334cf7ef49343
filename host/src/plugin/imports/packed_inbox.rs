//! `simple-nats:client/packed-inbox`, written by hand: a message crosses into
//! the guest in one piece and with one copy.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower};

use super::wire::Wire;
use crate::plugin::bindings::types::{Error, Event};
use crate::plugin::mailbox::{Delivery, Wait};
use crate::plugin::state::State;
use crate::protocol::Message;

#[derive(ComponentType, Lower)]
#[component(record)]
struct PackedMessage {
    client: u32,
    sid: u64,
    #[component(name = "subject-length")]
    subject_length: u32,
    #[component(name = "reply-to-offset")]
    reply_to_offset: u32,
    #[component(name = "reply-to-length")]
    reply_to_length: u32,
    #[component(name = "headers-offset")]
    headers_offset: u32,
    #[component(name = "headers-length")]
    headers_length: u32,
    #[component(name = "payload-offset")]
    payload_offset: u32,
    data: Wire,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct PackedReply {
    id: u64,
    answer: Result<Option<PackedMessage>, Error>,
    last: bool,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum PackedDelivery {
    #[component(name = "message")]
    Message(PackedMessage),
    #[component(name = "reply")]
    Reply(PackedReply),
    #[component(name = "event")]
    Event((u32, Event)),
    #[component(name = "timer")]
    Timer(u64),
}

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("simple-nats:client/packed-inbox@0.1.0")?;
    instance.func_wrap("take", |mut store: StoreContextMut<'_, State>, (): ()| {
        Ok((store.data_mut().take().map(pack_delivery),))
    })?;
    instance.func_wrap("fail", |mut store: StoreContextMut<'_, State>, (reason,): (String,)| {
        store.data_mut().handler_failed(&reason);
        Ok(())
    })?;
    instance.func_wrap_async(
        "wait",
        |mut store: StoreContextMut<'_, State>, (timeout_ms,): (Option<u32>,)| {
            Box::new(async move {
                let state = store.data_mut();
                state.in_hand = None;
                let timeout = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
                let outcome = match state.mailbox.wait(timeout).await {
                    Wait::Ready => Ok(true),
                    Wait::TimedOut => Ok(false),
                    Wait::Stopped => Err(Error::Cancelled),
                };
                Ok((outcome,))
            })
        },
    )
}

fn pack_delivery(delivery: Delivery) -> PackedDelivery {
    match delivery {
        Delivery::Message(incoming) => {
            PackedDelivery::Message(pack(incoming.client, incoming.sid, incoming.message))
        }
        Delivery::Reply { client, id, answer, last } => PackedDelivery::Reply(PackedReply {
            id,
            answer: match answer {
                Ok(message) => Ok(message.map(|message| pack(client, 0, message))),
                Err(error) => Err(error.into()),
            },
            last,
        }),
        Delivery::Event { client, event } => {
            PackedDelivery::Event((client, super::event_for_guest(&event)))
        }
        Delivery::Timer(id) => PackedDelivery::Timer(id),
    }
}

fn pack(client: u32, sid: u64, message: Message) -> PackedMessage {
    let parts = message.parts();
    PackedMessage {
        client,
        sid,
        subject_length: parts.subject_end,
        reply_to_offset: parts.reply_start,
        reply_to_length: parts.reply_end.saturating_sub(parts.reply_start),
        headers_offset: parts.headers_start,
        headers_length: parts.payload_start.saturating_sub(parts.headers_start),
        payload_offset: parts.payload_start,
        data: Wire(message.into_bytes()),
    }
}
