//! The requests of one instance that are under way.

use rustc_hash::FxHashMap;

use crate::protocol::RequestId;

/// One request.
#[derive(Debug, Clone, Copy)]
pub(in crate::plugin) struct UnderWay {
    /// The connection it went out on.
    pub(in crate::plugin) client: u32,
    /// Its number there.
    pub(in crate::plugin) id: RequestId,
    /// Headers and payload, in bytes.
    pub(in crate::plugin) bytes: usize,
}

/// All of an instance, by the number that the guest knows.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Requests {
    all: FxHashMap<u64, UnderWay>,
    bytes: usize,
}

impl Requests {
    pub(in crate::plugin) fn insert(&mut self, number: u64, request: UnderWay) {
        self.bytes = self.bytes.saturating_add(request.bytes);
        self.all.insert(number, request);
    }

    pub(in crate::plugin) fn remove(&mut self, number: u64) -> Option<UnderWay> {
        let request = self.all.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(request.bytes);
        Some(request)
    }

    /// All of them, in no order.
    pub(in crate::plugin) fn into_all(self) -> impl Iterator<Item = UnderWay> {
        self.all.into_values()
    }

    pub(in crate::plugin) fn len(&self) -> usize {
        self.all.len()
    }

    /// Headers and payloads of all of them.
    pub(in crate::plugin) fn bytes(&self) -> usize {
        self.bytes
    }
}
