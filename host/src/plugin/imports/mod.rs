//! The host side of what guests import: each call is checked here, by the
//! plugin's policy and limits, before it reaches a connection.

mod client;
mod convert;
mod headers;
mod inbox;
mod packed_group;
mod packed_inbox;
mod packed_message;
mod packed_outbox;
mod publisher;
mod requester;
mod subscriber;
mod timers;

use wasmtime::component::{HasSelf, Linker};

use super::loading::bindings::types;
use super::state::State;
use crate::connection::Client;
use crate::protocol::SessionError;
pub(super) use convert::message as message_for_guest;
pub(super) use convert::{answer as answer_for_guest, event as event_for_guest};
pub(super) use headers::write as write_headers;
pub(super) use packed_outbox::catch_up;

/// Makes everything that a guest may import known to the linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    super::wasi::add_to_linker(linker)?;
    super::loading::bindings::Guest::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    publisher::add_to_linker(linker)?;
    packed_inbox::add_to_linker(linker)?;
    packed_outbox::add_to_linker(linker)
}

impl types::Host for State {}

/// Runs a command that needs room in the connection's output, again each time
/// that there is some. Without a server there will be none for now.
async fn when_room<T>(
    client: &Client,
    mut command: impl FnMut() -> Result<T, SessionError>,
) -> Result<T, types::Error> {
    loop {
        match command() {
            Err(SessionError::BufferFull { .. }) if client.room().await => {}
            // Without a server other bounds hold.
            Err(SessionError::BufferFull { .. }) => return Ok(command()?),
            result => return Ok(result?),
        }
    }
}
