//! `simple-nats:client/packed-inbox`, written by hand: messages cross into
//! the guest in one piece and with one copy, alone or many together.

use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Linker, Lower, WasmList};

use super::packed_group::PackedGroup;
use super::packed_message::PackedMessage;
use super::packed_outbox::{catch_up, catch_up_and};
use crate::connection::Departure;
use crate::plugin::dispatch::mailbox::{Delivery, Wait};
use crate::plugin::loading::bindings::types::{Error, Event};
use crate::plugin::state::State;

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
    instance.func_wrap_async("take", |mut store: StoreContextMut<'_, State>, (): ()| {
        Box::new(async move {
            come_back(&mut store).await?;
            Ok((store.data_mut().take().map(pack_delivery),))
        })
    })?;
    instance.func_wrap_async(
        "take-messages",
        |mut store: StoreContextMut<'_, State>, (most,): (u32,)| {
            Box::new(async move {
                come_back(&mut store).await?;
                let state = store.data_mut();
                let messages = state.take_group(most as usize);
                Ok((PackedGroup { messages, room: state.group.room() },))
            })
        },
    )?;
    instance.func_wrap(
        "expose-position",
        |mut store: StoreContextMut<'_, State>, (place,): (WasmList<u8>,)| {
            store.data_mut().group.expose(place);
            Ok(())
        },
    )?;
    instance.func_wrap(
        "expose-room",
        |mut store: StoreContextMut<'_, State>, (place,): (WasmList<u8>,)| {
            store.data_mut().group.expose_room(place);
            Ok(())
        },
    )?;
    instance.func_wrap("fail", |mut store: StoreContextMut<'_, State>, (reason,): (String,)| {
        catch_up(&store)?;
        store.data_mut().handler_failed(&reason);
        Ok(())
    })?;
    instance.func_wrap_async(
        "wait",
        |mut store: StoreContextMut<'_, State>, (timeout_ms,): (Option<u32>,)| {
            Box::new(async move {
                catch_up(&store)?;
                let state = store.data_mut();
                state.finish();
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

/// The guest is done with what it took, and asks for more.
async fn come_back(store: &mut StoreContextMut<'_, State>) -> wasmtime::Result<()> {
    let waits = store.data().is_to_wait();
    catch_up_and(if waits { Departure::AtOnce } else { Departure::Soon }, &*store)?;
    if waits && store.data_mut().wait_for_more().await {
        // Ticks that went by meanwhile are not its own.
        store.set_epoch_deadline(1);
    }
    Ok(())
}

fn pack_delivery(delivery: Delivery) -> PackedDelivery {
    match delivery {
        Delivery::Message(incoming) => PackedDelivery::Message(PackedMessage::new(
            incoming.client,
            incoming.sid,
            incoming.message,
        )),
        Delivery::Reply { client, id, answer, last } => PackedDelivery::Reply(PackedReply {
            id,
            answer: match answer {
                Ok(message) => Ok(message.map(|message| PackedMessage::new(client, 0, message))),
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
