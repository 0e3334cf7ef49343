//! The headers that a guest passes, within its limits.

use crate::plugin::loading::bindings::types::{Error, Header};
use crate::plugin::state::Shared;
use crate::protocol::Headers;

/// Writes the header block of one message.
pub(super) struct HeaderWriter<'a> {
    plugin: &'a Shared,
    headers: Headers,
}

/// Writes the header block of one message in one go.
///
/// # Errors
/// If a field can't be sent, or they are too many or too large.
pub(in crate::plugin) fn write(plugin: &Shared, fields: &[Header]) -> Result<Headers, Error> {
    let mut headers = HeaderWriter::new(plugin, fields.len())?;
    for field in fields {
        headers.push(&field.name, &field.value)?;
    }
    headers.finish()
}

impl<'a> HeaderWriter<'a> {
    /// For so many fields.
    ///
    /// # Errors
    /// If there may not be as many.
    pub(super) fn new(plugin: &'a Shared, count: usize) -> Result<Self, Error> {
        let limit = plugin.settings.limits.max_headers;
        if count > limit {
            return Err(plugin.exceeded("headers", 0, count, limit));
        }
        Ok(Self { plugin, headers: Headers::new() })
    }

    /// Adds a field.
    ///
    /// # Errors
    /// If it can't be sent, or the block gets too large.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let limit = self.plugin.settings.limits.max_header_bytes;
        let current = self.headers.as_bytes().len();
        // A field is no shorter in the block than here, so this bounds the block's memory.
        let desired = current.saturating_add(name.len()).saturating_add(value.len());
        if desired > limit {
            return Err(self.plugin.exceeded("header-bytes", current, desired, limit));
        }
        Ok(self.headers.push(name, value)?)
    }

    /// The block.
    ///
    /// # Errors
    /// If it is too large.
    pub(super) fn finish(self) -> Result<Headers, Error> {
        let limit = self.plugin.settings.limits.max_header_bytes;
        let size = self.headers.as_bytes().len();
        if size > limit {
            return Err(self.plugin.exceeded("header-bytes", 0, size, limit));
        }
        Ok(self.headers)
    }
}
