//! Bodies that guests write, gathered into one piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, HasSelf, Source, StreamConsumer, StreamReader, StreamResult};

use crate::plugin::adapters::budget::Charge;
use crate::plugin::state::State;

/// Why a body is not taken to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is more than one message may have.
    TooLarge,
    /// With others that are being written, it is more than the host keeps.
    OverBudget,
}

/// What gathering costs beside the bytes, so that many empty bodies are not free.
const BODY_BYTES: usize = 1_024;

type Collected = Result<(Vec<u8>, Charge), BodyError>;

/// Reads a body to its end. The charge is to be kept as long as the bytes.
pub(super) async fn collect(
    store: &Accessor<State, HasSelf<State>>,
    body: StreamReader<u8>,
) -> Collected {
    let (done, collected) = oneshot::channel();
    let mut charge = store.with(|mut access| access.get().foreign.budget.open());
    if charge.set(BODY_BYTES).is_err() {
        close(store, body);
        return Err(BodyError::OverBudget);
    }
    let piped = store.with(|mut access| {
        let state = access.get();
        let collector = Collector {
            bytes: Vec::new(),
            limit: state.settings().limits.max_payload_bytes,
            charge: Some(charge),
            done: Some(done),
        };
        body.pipe(access, collector)
    });
    // A stream that was closed already is a body without bytes, and its collector
    // was dropped as one at its end.
    let _ = piped;
    collected.await.unwrap_or(Err(BodyError::TooLarge))
}

/// Takes nothing of a body; the guest that writes it is told.
pub(super) fn close(store: &Accessor<State, HasSelf<State>>, mut body: StreamReader<u8>) {
    // One that is closed already is what is wanted.
    let _ = body.close_with(store);
}

/// Says what it has gathered when the guest closes the stream, which drops it.
struct Collector {
    bytes: Vec<u8>,
    limit: usize,
    charge: Option<Charge>,
    done: Option<oneshot::Sender<Collected>>,
}

impl Collector {
    /// Takes what the guest has written; an error says why it takes no more.
    fn take(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let size = self.bytes.len().saturating_add(bytes.len());
        if size > self.limit {
            return Err(BodyError::TooLarge);
        }
        if let Some(charge) = &mut self.charge {
            charge.set(BODY_BYTES.saturating_add(size)).map_err(|_| BodyError::OverBudget)?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, collected: Collected) {
        if let Some(done) = self.done.take() {
            // Who waited may have been given up.
            let _ = done.send(collected);
        }
    }
}

impl StreamConsumer<State> for Collector {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        store: StoreContextMut<'_, State>,
        source: Source<'_, u8>,
        _finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let mut source = source.as_direct(store);
        let bytes = source.remaining();
        let count = bytes.len();
        let taken = self.take(bytes);
        source.mark_read(count);
        Poll::Ready(Ok(match taken {
            Ok(()) => StreamResult::Completed,
            Err(error) => {
                self.finish(Err(error));
                StreamResult::Dropped
            }
        }))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(charge) = self.charge.take() {
            self.finish(Ok((bytes, charge)));
        }
    }
}
